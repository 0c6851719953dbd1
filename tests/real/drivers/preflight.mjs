// One visit of a headless Chromium: argv[2] is JSON {url, token, do}, stdout one JSON object.
// `measure` runs the page's own preflight; `connect` joins with the stock livekit-client.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--allow-loopback-in-peer-connection',
  '--disable-background-timer-throttling',
  '--disable-renderer-backgrounding',
];
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** The page's function, as JavaScript. */
async function source() {
  const { transformWithOxc } = await import(here('../../../web/node_modules/vite/dist/node/index.js'));
  const path = here('../../../web/src/join/preflight/preflight.ts');
  return (await transformWithOxc(readFileSync(path, 'utf8'), path)).code;
}

async function measure(page, { url, token }) {
  const code = await source();
  return await page.evaluate(
    async ({ code, url, token }) => {
      const file = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }));
      const { preflight } = await import(file);
      const phases = [];
      const verdict = await preflight(url, token, ({ phase }) => phases.includes(phase) || phases.push(phase));
      return { verdict, phases };
    },
    { code, url, token },
  );
}

async function connect(page, { url, token }) {
  await page.addScriptTag({ path: here('../node_modules/livekit-client/dist/livekit-client.umd.js') });
  return await page.evaluate(
    async ({ url, token }) => {
      const { Room, RoomEvent } = window.LivekitClient;
      const room = new Room();
      const told = new Promise((tell) => {
        room.on(RoomEvent.DataReceived, (_payload, _from, _kind, topic) => topic === 'beistand.clock' && tell());
      });
      try {
        await room.connect(url.replace('http', 'ws'), token);
      } catch (error) {
        return { joined: false, error: String(error.message) };
      }
      // The node tells whom it has heard: a visit that leaves before is in no record.
      await told;
      await room.disconnect();
      return { joined: true };
    },
    { url, token },
  );
}

const spec = JSON.parse(process.argv[2]);
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args: FLAGS });
try {
  // What is measured with is put into a page of the node, which takes no scripts but its own.
  const page = await browser.newPage({ bypassCSP: true });
  await page.goto(`${spec.url}/`);
  const acts = { measure, connect };
  console.log(JSON.stringify(await acts[spec.do](page, spec)));
} finally {
  await browser.close();
}
