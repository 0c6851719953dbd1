// Pages in a headless Firefox: a JSON command a line on stdin, a JSON answer on stdout. See bidi.mjs.
import { firefox } from './bidi.mjs';
import { PATIENCE_MS, serve } from './serve.mjs';

const pages = new Map();
const browser = await firefox((_page, line) => console.error(`${line.level}: ${line.text}`));

/**
 * Runs in each page before its own scripts: notes when it knocks, and when its connections come up. A headless Firefox
 * has no screen to share: what moves on a canvas takes its place.
 */
function observe() {
  navigator.mediaDevices.getDisplayMedia = async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
    const draw = canvas.getContext('2d');
    setInterval(() => {
      draw.fillStyle = `hsl(${performance.now() / 10} 80% 50%)`;
      draw.fillRect(0, 0, canvas.width, canvas.height);
    }, 100);
    return canvas.captureStream(10);
  };
  const times = (window.__times = { knocked: null, connected: [] });
  const Socket = window.WebSocket;
  window.WebSocket = new Proxy(Socket, {
    construct(target, given) {
      times.knocked ??= performance.now();
      return new target(...given);
    },
  });
  const Connection = window.RTCPeerConnection;
  window.RTCPeerConnection = new Proxy(Connection, {
    construct(target, given) {
      const made = new target(...given);
      made.addEventListener('connectionstatechange', () => {
        if (made.connectionState === 'connected') times.connected.push(performance.now());
      });
      return made;
    },
  });
}

/** What `look` finds in the page once it finds something; what it noted last is told where it does not. */
async function until(who, what, look, argument = null) {
  const source = `async ({ argument, patience }) => {
    const look = ${look};
    const end = performance.now() + patience;
    for (;;) {
      const found = await look(argument);
      if (found) return { found };
      if (performance.now() > end) return { last: window.__last ?? null };
      await new Promise((next) => setTimeout(next, 50));
    }
  }`;
  const { found, last } = await pages.get(who).evaluate(source, { argument, patience: PATIENCE_MS });
  if (!found) throw new Error(`not within ${PATIENCE_MS} ms: ${what}; last seen: ${JSON.stringify(last)}`);
  return found;
}

const connected = () => document.querySelector('[data-testid="connection-state"]')?.dataset.state === 'connected';

/** The settings of the camera that is sent, as wide as they are to be. */
function camera({ width }) {
  const me = window.beistand.room.localParticipant;
  const { width: is, height } = me.getTrackPublication('camera')?.track?.mediaStreamTrack.getSettings() ?? {};
  window.__last = { is, height, on: me.isCameraEnabled };
  return me.isCameraEnabled && is === width && window.__last;
}

const COMMANDS = {
  /** Joins at once; how long it took from the knock until both of its connections were up, in ms. */
  async join({ who, link, size = '640x360' }) {
    const url = new URL(link);
    url.searchParams.set('auto', '1');
    url.searchParams.set('video', size);
    url.searchParams.set('simulcast', '0');
    const page = await browser.newPage();
    pages.set(who, page);
    await page.addInitScript(observe);
    await page.goto(url.href);
    await until(who, `${who} is connected`, connected);
    return await until(who, 'both connections are up', () => {
      const { knocked, connected } = window.__times;
      return connected.length > 1 && { ms: Math.round(connected[1] - knocked) };
    });
  },
  async close({ who }) {
    await pages.get(who).close();
    return {};
  },
  /** The check of the connection in the panel before the join: what the node found. */
  async check({ who, link }) {
    const page = await browser.newPage();
    pages.set(who, page);
    await page.goto(link);
    return await until(who, 'the connection is checked', () => window.beistand.verdict && { verdict: window.beistand.verdict });
  },
  async press({ who, button }) {
    await pages.get(who).evaluate((button) => document.querySelector(`[data-testid="${button}"]`).click(), button);
    return {};
  },
  /** Its camera is on, and so wide. */
  async camera({ who, width }) {
    return await until(who, `the camera is ${width} wide`, camera, { width });
  },
  async dark({ who }) {
    await until(who, 'the camera is off', () => !window.beistand.room.localParticipant.isCameraEnabled);
    return {};
  },
  /** A moving picture of another participant is shown: of a camera or of a screen. */
  async sees({ who, source }) {
    return await until(who, `${who} sees a ${source}`, ({ source }) => {
      const video = document.querySelector(`[data-testid="remote-video"][data-source="${source}"]`);
      window.__last = video && { width: video.videoWidth, at: video.currentTime };
      return video?.videoWidth > 0 && video.currentTime > 1 && window.__last;
    }, { source });
  },
  /** The words in place of a picture that the browser cannot show. */
  async unplayable({ who }) {
    return await until(who, 'it says that it cannot show a picture', () => {
      const words = [...document.querySelectorAll('[data-testid="unplayable"]')].find((one) => one.checkVisibility());
      return words && { text: words.innerText };
    });
  },
};

await serve(browser, COMMANDS);
