// Clients of the stock livekit-client in one headless Chromium, each in a page without anything of the
// product, for tests of links: what they send is drawn to measure, and all that they hear is kept.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { PATIENCE_MS, launch, serve } from './chromium.mjs';

const file = (name) => readFileSync(new URL(name, import.meta.url), 'utf8');
const SDK = file('../node_modules/livekit-client/dist/livekit-client.umd.js');
const CLIENT = file('./links_page.js');
const FILLER = file('./filler.js');
const PAGE = `<!doctype html><title>client</title><body><script>${SDK.replaceAll('</script', '<\\/script')}</script><script>${CLIENT}</script>`;
const POLL_MS = 50;
// The SDK writes whole tokens into its lines.
const LINE_CHARS = 200;

// A page of loopback is a secure one, and may speak to a node on loopback.
const server = createServer((request, answer) => {
  const [kind, text] = request.url === '/filler.js' ? ['javascript', FILLER] : ['html', PAGE];
  answer.setHeader('content-type', `text/${kind}; charset=utf-8`).end(text);
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const browser = await launch();
const pages = new Map();
const page = (who) => pages.get(who);

/** Waits in the page for a true answer of a function of its client, and returns it. */
async function until(who, what, method, argument, timeout = PATIENCE_MS) {
  try {
    const look = ({ method, argument }) => window.client[method](argument);
    const handle = await page(who).waitForFunction(look, { method, argument }, { timeout, polling: POLL_MS });
    return await handle.jsonValue();
  } catch (error) {
    const seen = await page(who).evaluate(() => window.client.seen());
    throw new Error(`${who}: ${what}: ${error.message.split('\n')[0]}; seen: ${JSON.stringify(seen)}`);
  }
}

const COMMANDS = {
  async open({ who, ws, token }) {
    const opened = await browser.newPage();
    pages.set(who, opened);
    opened.on('console', (line) => console.error(`[${who}] ${line.type()}: ${line.text().slice(0, LINE_CHARS)}`));
    opened.on('pageerror', (error) => console.error(`[${who}] ${error}`));
    await opened.goto(`http://127.0.0.1:${server.address().port}/`);
    return { at_ms: await opened.evaluate((join) => window.client.join(join), { ws, token }) };
  },
  async publish({ who, audio, video }) {
    await page(who).evaluate((what) => window.client.publish(what), { audio, video });
    return {};
  },
  async unpublish({ who, source }) {
    await page(who).evaluate((source) => window.client.unpublish(source), source);
    return {};
  },
  /** Sends so many bytes as a file, as fast as the SDK lets it. */
  async send_file({ who, bytes }) {
    return await page(who).evaluate((bytes) => window.client.sendFile(bytes), bytes);
  },
  /** The file of somebody has come. */
  async file({ who, from, ms }) {
    return await until(who, `the file of ${from} comes`, 'file', from, ms);
  },
  /** So many encodings of video go out. */
  async sends({ who, encodings }) {
    return { sent: await until(who, `${encodings} encodings are sent`, 'sends', encodings) };
  },
  /** The newest word on the floor of a participant's direction is this state, or any other. */
  async floor({ who, identity, direction, state, other }) {
    return await until(who, `${identity} is ${other ? 'no longer ' : ''}${state} ${direction}`, 'floor', { identity, direction, state, other });
  },
  /** Time goes by: the client takes so many samples more. */
  async samples({ who, ms }) {
    const until_ms = await page(who).evaluate((ms) => window.client.now() + ms, ms);
    await until(who, `${ms} ms go by`, 'sampled', until_ms, ms + PATIENCE_MS);
    return {};
  },
  /** All that this client saw and heard so far. */
  async report({ who }) {
    return await page(who).evaluate(() => window.client.report());
  },
  async leave({ who }) {
    await page(who).evaluate(() => window.client.leave());
    return {};
  },
};

await serve(browser, COMMANDS);
server.closeAllConnections();
server.close();
