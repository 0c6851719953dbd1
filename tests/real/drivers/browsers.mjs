// Pages of the product in one headless Chromium.
import { launch, serve } from './chromium.mjs';

const POLL_MS = 100;
const pages = new Map();
const browser = await launch();

/** Waits in the page for a true answer, and returns it: the one place here that waits. */
async function until(page, what, condition, argument, timeout = 60_000) {
  try {
    const handle = await page.waitForFunction(condition, argument, { timeout, polling: POLL_MS });
    return await handle.jsonValue();
  } catch (error) {
    const seen = await page.evaluate(() => ({ state: document.querySelector('[data-testid=connection-state]')?.dataset.state, text: document.body.innerText.slice(0, 300), last: window.__last ?? null }));
    throw new Error(`${what}: ${error.message.split('\n')[0]}; the page: ${JSON.stringify(seen)}`);
  }
}

/** Runs in the page from its start: notes when it was connected and when its first media went out. */
function observe() {
  const now = () => performance.timeOrigin + performance.now();
  // Chromium may repeat a report of statistics for so long.
  const STATS_AGE_MS = 50;
  const marks = (window.__marks = { here: null, media: null, gone: null });
  let before = now();
  let silent = now();
  const sent = async (publications) => {
    for (const publication of publications) {
      const report = await publication.track?.sender?.getStats();
      for (const stat of report?.values() ?? []) {
        if (stat.type === 'outbound-rtp' && stat.packetsSent > 0) return true;
      }
    }
    return false;
  };
  const look = async () => {
    const room = window.beistand?.room;
    if (!marks.here) {
      if (room?.state === 'connected') marks.here = [before, now()];
      else if (!room) before = now();
    }
    if (room && !marks.media) {
      const asked = now();
      if (await sent([...room.localParticipant.trackPublications.values()])) marks.media = [silent, now()];
      else silent = Math.max(silent, asked - STATS_AGE_MS);
    }
    if (!marks.media) setTimeout(look, 5);
  };
  look();
}

/** The remote picture has the size asked for and moves: two looks at it differ. */
function picture({ identity, width, height }) {
  const video = document.querySelector(`[data-testid="remote-video"][data-identity="${identity}"]`);
  window.__last = video && { width: video.videoWidth, height: video.videoHeight, ready: video.readyState };
  if (!video || video.videoWidth !== width || video.videoHeight !== height) return false;
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [160, 90];
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(video, 0, 0, canvas.width, canvas.height);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const previous = window.__pixels;
  window.__pixels = pixels;
  if (!previous) return false;
  let changed = 0;
  let bright = 0;
  for (let at = 0; at < pixels.length; at += 4) {
    if (Math.abs(pixels[at] - previous[at]) + Math.abs(pixels[at + 1] - previous[at + 1]) > 24) changed += 1;
    if (pixels[at] + pixels[at + 1] + pixels[at + 2] > 60) bright += 1;
  }
  window.__last.changed = changed;
  return changed >= 20 && bright >= 200 && { width: video.videoWidth, height: video.videoHeight, changed };
}

/** The loudest that was heard of the other side; Chromium's fake microphone beeps. */
function tone({ identity, threshold }) {
  const remote = window.beistand?.room?.remoteParticipants.get(identity);
  const track = [...(remote?.audioTrackPublications.values() ?? [])].map((p) => p.track?.mediaStreamTrack).find((t) => t);
  if (!track) return false;
  if (window.__heard?.track !== track) {
    const audio = new AudioContext();
    const analyser = audio.createAnalyser();
    analyser.fftSize = 8192;
    audio.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    window.__heard = { track, analyser, loudest: 0 };
  }
  const heard = window.__heard;
  const samples = new Float32Array(heard.analyser.fftSize);
  heard.analyser.getFloatTimeDomainData(samples);
  const energy = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
  heard.loudest = Math.max(heard.loudest, energy);
  window.__last = { loudest: heard.loudest };
  return heard.loudest > threshold && { energy: heard.loudest };
}

const page = (who) => pages.get(who);

const COMMANDS = {
  async open({ who, link, size }) {
    const url = new URL(link);
    url.searchParams.set('auto', '1');
    url.searchParams.set('video', size);
    const opened = await browser.newPage();
    opened.on('console', (line) => console.error(`[${who}] ${line.type()}: ${line.text()}`));
    opened.on('pageerror', (error) => console.error(`[${who}] ${error}`));
    await opened.addInitScript(observe);
    pages.set(who, opened);
    const answer = await opened.goto(url.href);
    if (!answer || answer.status() !== 200) throw new Error(`the page answers ${answer?.status()}: ${link.split('#')[0]}`);
    await until(opened, `${who} is connected`, () => document.querySelector('[data-testid="connection-state"]')?.dataset.state === 'connected', null, 30_000);
    return { identity: await opened.evaluate(() => window.beistand.room.localParticipant.identity) };
  },
  async sees({ who, identity, width, height }) {
    await page(who).evaluate(() => (window.__pixels = null));
    return await until(page(who), `${who} sees ${identity} at ${width}x${height}`, picture, { identity, width, height }, 60_000);
  },
  async hears({ who, identity }) {
    return await until(page(who), `${who} hears ${identity}`, tone, { identity, threshold: 0.01 }, 30_000);
  },
  async self({ who }) {
    return await until(page(who), `${who} sees itself`, () => document.querySelector('[data-testid="self-video"]')?.videoWidth > 0);
  },
  async sends({ who }) {
    await until(page(who), `${who} sends media`, () => window.__marks.media !== null);
    return {};
  },
  async press({ who, button }) {
    await page(who).getByTestId(button).click();
    return {};
  },
  /** The camera and the microphone are both off, as the room knows it. */
  async silent({ who }) {
    await until(page(who), `${who} is silent`, () => {
      const me = window.beistand.room.localParticipant;
      return !me.isCameraEnabled && !me.isMicrophoneEnabled;
    });
    return {};
  },
  /** The server's own clock goes on by so much. */
  async billed({ who, ms }) {
    const start = await page(who).evaluate(() => window.beistand.clock?.accrued_ms ?? 0);
    return await until(page(who), `the clock goes on by ${ms} ms`, ({ start, ms }) => {
      const clock = window.beistand.clock;
      window.__last = clock;
      return clock !== null && clock.accrued_ms >= start + ms && { clock, shown: document.querySelector('[data-testid="billed-clock"]').textContent };
    }, { start, ms }, ms + 20_000);
  },
  /** Leaves by the button; the moment of the click is noted in the page. */
  async leave({ who }) {
    await page(who).evaluate(() => {
      const now = performance.timeOrigin + performance.now();
      document.querySelector('[data-testid="leave"]').click();
      window.__marks.gone = [now, performance.timeOrigin + performance.now()];
    });
    await until(page(who), `${who} has left`, () => document.querySelector('[data-testid="connection-state"]')?.dataset.state === 'left');
    return { marks: await page(who).evaluate(() => window.__marks) };
  },
  async marks({ who }) {
    return { marks: await page(who).evaluate(() => window.__marks) };
  },
};

await serve(browser, COMMANDS);
