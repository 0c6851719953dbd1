// Clients of the stock livekit-client in one headless Chromium, each in a page without anything of the
// product, for tests of recordings: what they send tells when it was sent and by whom. And a player.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { PATIENCE_MS, launch, serve } from './chromium.mjs';

const file = (name) => readFileSync(new URL(name, import.meta.url), 'utf8');
const SCRIPTS = ['../node_modules/livekit-client/dist/livekit-client.umd.js', './pattern.js', './recorded_page.js', './player.js'];
const inline = (name) => `<script>${file(name).replaceAll('</script', '<\\/script')}</script>`;
const PAGE = `<!doctype html><title>client</title><body>${SCRIPTS.map(inline).join('')}`;
const POLL_MS = 50;
// The SDK writes whole tokens into its lines.
const LINE_CHARS = 200;

// A page of loopback is a secure one, and may speak to a node on loopback.
const files = new Map();
const server = createServer((request, answer) => {
  const bytes = files.get(request.url);
  if (bytes) answer.setHeader('content-type', 'video/webm').end(bytes);
  else answer.setHeader('content-type', 'text/html; charset=utf-8').end(PAGE);
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const browser = await launch();
const pages = new Map();
const page = (who) => pages.get(who);

async function fresh(who) {
  await page(who)?.close();
  const opened = await browser.newPage();
  pages.set(who, opened);
  opened.on('console', (line) => console.error(`[${who}] ${line.type()}: ${line.text().slice(0, LINE_CHARS)}`));
  opened.on('pageerror', (error) => console.error(`[${who}] ${error}`));
  await opened.goto(`http://127.0.0.1:${server.address().port}/`);
  return opened;
}

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
    return await (await fresh(who)).evaluate((join) => window.client.join(join), { ws, token });
  },
  async publish({ who, audio, video }) {
    return await page(who).evaluate((what) => window.client.publish(what), { audio, video });
  },
  /** Says yes or no to a purpose, by a data message. */
  async consent({ who, purpose, given }) {
    return await page(who).evaluate((answer) => window.client.consent(answer), { purpose, given, wording: 'test-1' });
  },
  /** Has the expert start or stop a recording, by a data message. */
  async record({ who, action, purpose }) {
    return await page(who).evaluate((wish) => window.client.record(wish), { action, purpose });
  },
  /** Knows that exactly these purposes are recorded of a participant (of itself, if none is named). */
  async recorded({ who, of = null, purposes, active = null }) {
    return await until(who, `${of ?? 'itself'} is recorded for ${purposes}`, 'recorded', { of, purposes, active });
  },
  /** The highest layer of its picture goes out, or does not. */
  async top({ who, active }) {
    return await page(who).evaluate((active) => window.client.top(active), active);
  },
  async mute({ who, source, muted }) {
    return await page(who).evaluate((what) => window.client.mute(what), { source, muted });
  },
  /** Time goes by for a client, which notes what it sends and receives meanwhile. */
  async pass({ who, ms }) {
    const until_ms = (await page(who).evaluate(() => window.pattern.now())) + ms;
    return await until(who, `${ms} ms go by`, 'passed', until_ms, ms + PATIENCE_MS);
  },
  /** So many more pictures of others are decoded. */
  async frames({ who, more }) {
    const before = await page(who).evaluate(() => window.client.received());
    return await until(who, `${more} more frames are seen`, 'seen_frames', before + more);
  },
  async told({ who }) {
    return await page(who).evaluate(() => window.client.seen());
  },
  async leave({ who }) {
    const gone = await page(who).evaluate(() => window.client.leave());
    await page(who).close();
    pages.delete(who);
    return gone;
  },
  /** Plays what lies behind a link (or in a file) to its end; says how that went. */
  async play({ url, path = null, rate = 16, listen = false }) {
    if (path) {
      url = `http://127.0.0.1:${server.address().port}/files/${files.size}`;
      files.set(new URL(url).pathname, readFileSync(path));
    }
    const player = await fresh('player');
    const played = await player.evaluate((wish) => window.player.play(wish), { url, rate, listen, timeout_ms: PATIENCE_MS });
    await player.close();
    pages.delete('player');
    return { played };
  },
};

await serve(browser, COMMANDS);
server.closeAllConnections();
server.close();
