// A headless Firefox by WebDriver BiDi (https://w3c.github.io/webdriver-bidi/), as far as the drivers need it: pages
// that are opened, and functions that run in them. Playwright and Puppeteer ask for commands that an ESR lacks.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import WebSocket from 'ws';

// Fake devices without a question, addresses that are no mDNS names, and nothing that is fetched from elsewhere: so no H.264.
const PREFS = {
  'app.update.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'media.autoplay.default': 0,
  'media.gmp-manager.updateEnabled': false,
  'media.gmp-provider.enabled': false,
  'media.navigator.permission.disabled': true,
  'media.navigator.streams.fake': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'http://127.0.0.1:9/',
};

/** The address at which the browser takes commands: it prints it once it is ready. */
async function address(child) {
  for await (const line of createInterface({ input: child.stderr })) {
    const found = /WebDriver BiDi listening on (ws:\S+)/.exec(line);
    if (found) return found[1];
  }
  throw new Error('Firefox ended before it took commands');
}

/** Starts a browser. `onLine`: what the consoles of its pages say, with the page's id. */
export async function firefox(onLine = () => {}) {
  const profile = mkdtempSync(join(tmpdir(), 'firefox-'));
  const prefs = Object.entries(PREFS).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
  writeFileSync(join(profile, 'user.js'), prefs.join('\n'));
  const child = spawn('firefox-esr', ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, HOME: profile, MOZ_CRASHREPORTER_DISABLE: '1' },
  });
  const ended = new Promise((end) => child.once('exit', end));
  const socket = new WebSocket(`${await address(child)}/session`);
  child.stderr.resume();
  await new Promise((open, fail) => socket.once('open', open).once('error', fail));
  const waiting = new Map();
  socket.on('message', (data) => {
    const message = JSON.parse(data);
    if (message.method === 'log.entryAdded') onLine(message.params.source.context, message.params);
    const told = waiting.get(message.id);
    waiting.delete(message.id);
    told?.(message);
  });
  let id = 0;
  const ask = async (method, params) => {
    id += 1;
    const command = { id, method, params };
    const answer = await new Promise((tell) => {
      waiting.set(command.id, tell);
      socket.send(JSON.stringify(command));
    });
    if (answer.type === 'error') throw new Error(`${method}: ${answer.message}`);
    return answer.result;
  };
  await ask('session.new', { capabilities: {} });
  await ask('session.subscribe', { events: ['log.entryAdded'] });
  return {
    newPage: async () => new Page(ask, (await ask('browsingContext.create', { type: 'tab' })).context),
    close: async () => {
      await ask('browser.close', {}).catch(() => child.kill());
      await ended;
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

class Page {
  constructor(ask, context) {
    this.ask = ask;
    this.context = context;
  }

  /** Before any script of the pages that are opened from now on. */
  async addInitScript(run) {
    await this.ask('script.addPreloadScript', { functionDeclaration: String(run), contexts: [this.context] });
  }

  async goto(url) {
    await this.ask('browsingContext.navigate', { context: this.context, url, wait: 'complete' });
  }

  /** What `run` resolves with in the page, as JSON; it runs as if somebody had just pressed something. */
  async evaluate(run, argument = null) {
    const answer = await this.ask('script.callFunction', {
      functionDeclaration: `async (text) => JSON.stringify((await (${run})(JSON.parse(text))) ?? null)`,
      arguments: [{ type: 'string', value: JSON.stringify(argument) }],
      target: { context: this.context },
      awaitPromise: true,
      userActivation: true,
    });
    if (answer.type === 'exception') throw new Error(answer.exceptionDetails.text);
    return JSON.parse(answer.result.value);
  }

  async close() {
    await this.ask('browsingContext.close', { context: this.context });
  }
}
