// Pages of the product in one headless Chromium.
import { PATIENCE_MS, launch, serve } from './chromium.mjs';

const POLL_MS = 100;
const pages = new Map();
const browser = await launch();

/** Waits in the page for a true answer, and returns it: the one place here that waits. */
async function until(page, what, condition, argument, timeout = PATIENCE_MS) {
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

/** Runs in the page from its start: an encoder with too little time sends fewer pictures, never smaller ones. */
function keepSize() {
  const { setParameters } = RTCRtpSender.prototype;
  RTCRtpSender.prototype.setParameters = function set(parameters, ...more) {
    return setParameters.call(this, { ...parameters, degradationPreference: 'maintain-resolution' }, ...more);
  };
}

/** Runs in the page from its start: what is to be seen of the session's state. */
function describe() {
  const all = (id) => [...document.querySelectorAll(`[data-testid="${id}"]`)].filter((one) => one.checkVisibility()).map((one) => one.textContent);
  window.__shown = () => ({
    prompt: document.querySelector('[data-testid="presence"]').open,
    focus: document.activeElement?.dataset.testid ?? null,
    state: all('clock-state'),
    left: all('clock-left'),
    own: all('own-floor'),
    floors: all('floor'),
    notices: all('notice'),
    connection: all('connection-state'),
    empty: [document.getElementById('stage-empty')].filter((one) => one.checkVisibility()).map((one) => one.textContent),
    who: [...document.querySelectorAll('.tile .who')].map((one) => one.textContent),
    still: [...document.querySelectorAll('.tile[data-still="true"] video')].map((one) => one.dataset.identity),
    recording: recording(all),
  });
  const recording = (all) => ({
    asks: document.querySelector('[data-testid="recording"]').open,
    title: document.getElementById('recording-title').textContent,
    text: all('recording-text'),
    ticked: [...document.querySelectorAll('#consent-purposes input:checked')].map((one) => one.dataset.testid),
    questions: [...document.querySelectorAll('#consent-purposes fieldset')].filter((one) => one.checkVisibility()).map((one) => one.innerText),
    failed: all('recording-failed'),
    now: all('recording-now'),
    own: all('recording-own'),
    trouble: all('recording-trouble'),
    states: [...all('recording-state-shared'), ...all('recording-state-qa')],
    buttons: [...all('recording-request-shared'), ...all('recording-request-qa')],
    control: all('record').map((text) => text.trim()),
    marks: all('recorded'),
    self: all('self-recorded'),
  });
}

/** Runs in the page once it is connected: notes what it says to the server, by topic. */
function listen() {
  const me = window.beistand.room.localParticipant;
  const publish = me.publishData.bind(me);
  window.__said = [];
  me.publishData = (data, options) => {
    if (options.reliable) window.__said.push({ topic: options.topic, message: JSON.parse(new TextDecoder().decode(data)) });
    return publish(data, options);
  };
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

/** What the console of each page said, and the WebSockets that it opened. */
const consoles = new Map();

const COMMANDS = {
  /**
   * Joins at once, with one layer unless `layers` says otherwise (kbit/s of each, from the smallest): two cores that
   * encode three sizes twice would show what they can do, and not what the node does. `preflight`: checks first.
   */
  async open({ who, link, size, layers = null, fps = null, preflight = false }) {
    const url = new URL(link);
    url.searchParams.set('auto', '1');
    url.searchParams.set('video', size);
    if (layers) url.searchParams.set('layers', layers.join(','));
    else url.searchParams.set('simulcast', '0');
    if (fps) url.searchParams.set('fps', fps);
    if (preflight) url.searchParams.set('preflight', '1');
    const opened = await browser.newPage();
    const seen = { lines: [], sockets: [] };
    consoles.set(who, seen);
    opened.on('websocket', (socket) => seen.sockets.push(new URL(socket.url()).pathname));
    opened.on('console', (line) => seen.lines.push(line.text()));
    opened.on('console', (line) => console.error(`[${who}] ${line.type()}: ${line.text()}`));
    opened.on('pageerror', (error) => console.error(`[${who}] ${error}`));
    await opened.addInitScript(keepSize);
    await opened.addInitScript(observe);
    await opened.addInitScript(describe);
    pages.set(who, opened);
    const answer = await opened.goto(url.href);
    if (!answer || answer.status() !== 200) throw new Error(`the page answers ${answer?.status()}: ${link.split('#')[0]}`);
    await until(opened, `${who} is connected`, () => document.querySelector('[data-testid="connection-state"]')?.dataset.state === 'connected');
    await opened.evaluate(listen);
    return { identity: await opened.evaluate(() => window.beistand.room.localParticipant.identity) };
  },
  /** What its console says, and at which paths it opened WebSockets. */
  async console({ who }) {
    return consoles.get(who);
  },
  async sees({ who, identity, width, height }) {
    await page(who).evaluate(() => (window.__pixels = null));
    return await until(page(who), `${who} sees ${identity} at ${width}x${height}`, picture, { identity, width, height });
  },
  async hears({ who, identity }) {
    return await until(page(who), `${who} hears ${identity}`, tone, { identity, threshold: 0.01 });
  },
  async self({ who }) {
    return await until(page(who), `${who} sees itself`, () => document.querySelector('[data-testid="self-video"]')?.videoWidth > 0);
  },
  async sends({ who }) {
    await until(page(who), `${who} sends media`, () => window.__marks.media !== null);
    return {};
  },
  /** The panel after the session, once it says this of what is billed: its words, and whether it offers a way back. */
  async farewell({ who, clock }) {
    return await until(page(who), `${who} is not in the session any more, and reads "${clock}"`, (clock) => {
      const panel = document.getElementById('farewell');
      const words = (id) => document.getElementById(id).innerText;
      return panel.checkVisibility() && words('farewell-clock').startsWith(clock) && {
        title: words('farewell-title'),
        text: words('farewell-text'),
        clock: words('farewell-clock'),
        rejoin: document.getElementById('rejoin').checkVisibility(),
        connection: document.querySelector('[data-testid="connection-state"]').textContent,
      };
    }, clock);
  },
  async press({ who, button }) {
    await page(who).getByTestId(button).click();
    return {};
  },
  async key({ who, key }) {
    await page(who).keyboard.press(key);
    return {};
  },
  /** Requests of the page for recordings are answered with this status and body from now on; status 0: not at all. */
  async answers({ who, status, body = {} }) {
    const requests = /\/v1\/recordings/;
    await page(who).unroute(requests);
    await page(who).route(requests, (request) => (status === 0 ? request.abort() : request.fulfill({ status, json: body })));
    return {};
  },
  /** The words about recordings on the last panel become these. */
  async recordings({ who, words }) {
    return await until(page(who), `${who} reads "${words}"`, (words) => {
      const text = document.querySelector('[data-testid="recordings"]').innerText;
      window.__last = text;
      return text.includes(words) && { text };
    }, words);
  },
  /** The file of a recording of this name, as the page offers it, plays to its end in the page; the names of all. */
  async plays({ who, name }) {
    const names = await page(who).evaluate((name) => {
      const select = document.querySelector('[data-testid="recording-file"]');
      const options = [...select.options];
      select.value = options.find((one) => one.textContent === name)?.value;
      select.dispatchEvent(new Event('change'));
      return options.map((one) => one.textContent);
    }, name);
    await page(who).evaluate(() => {
      const video = document.querySelector('[data-testid="recording-video"]');
      video.playbackRate = 4;
      return video.play();
    });
    return await until(page(who), `"${name}" plays to its end`, (names) => {
      const video = document.querySelector('[data-testid="recording-video"]');
      window.__last = { at: video.currentTime, duration: video.duration, error: video.error?.message, width: video.videoWidth };
      return video.ended && { names, duration: video.duration, width: video.videoWidth, height: video.videoHeight, poster: video.poster };
    }, names);
  },
  /** What the page has said to the server since it was opened. */
  async said({ who }) {
    return { said: await page(who).evaluate(() => window.__said) };
  },
  /** What the page shows of recording becomes this: one field of it, or where the focus is. */
  async recording({ who, field, value }) {
    return await until(page(who), `${who} is shown ${field} ${JSON.stringify(value)}`, ({ field, value }) => {
      const shown = window.__shown();
      window.__last = shown.recording;
      return JSON.stringify(shown.recording[field] ?? shown[field]) === JSON.stringify(value) && { shown };
    }, { field, value });
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
    }, { start, ms }, ms + PATIENCE_MS);
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
  /** What the page was told, and what it shows of that. */
  async told({ who }) {
    return await page(who).evaluate(() => {
      const { clock, floor, presence, recording, refused, warnings, verdict, probe } = window.beistand;
      return { clock, floor, presence, recording, refused, warnings, verdict, probe, shown: window.__shown() };
    });
  },
  /** What arrives of another participant: size of the picture, frames decoded, packets lost. */
  async received({ who, identity }) {
    return await page(who).evaluate((identity) => window.beistand.received(identity), identity);
  },
  /** The floor of a participant is in a state, as the server told and as the page shows it. */
  async floor({ who, identity, direction, state }) {
    return await until(page(who), `${who} is told that ${identity} is ${state} ${direction}`, ({ identity, direction, state }) => {
      const floor = window.beistand.floor?.participants.find((one) => one.identity === identity);
      window.__last = floor ?? null;
      return floor?.[direction].state === state && { floor, at: performance.timeOrigin + performance.now() };
    }, { identity, direction, state });
  },
  /** The clock is in a state, with a reason where one is given. */
  async clock({ who, state, reason = null }) {
    return await until(page(who), `${who} is told ${state} ${reason ?? ''}`, ({ state, reason }) => {
      const clock = window.beistand.clock;
      window.__last = clock;
      return clock?.state === state && clock.reason === reason && { clock, at: performance.timeOrigin + performance.now() };
    }, { state, reason });
  },
  async warned({ who, kind }) {
    return await until(page(who), `${who} is warned of ${kind}`, (kind) => {
      const warning = window.beistand.warnings.find((one) => one.kind === kind);
      window.__last = window.beistand.warnings;
      return warning && { warning };
    }, kind);
  },
  /** The prompt "still there?" is open, and its button has the focus. */
  async prompted({ who }) {
    await until(page(who), `${who} is asked`, () => document.activeElement?.dataset.testid === 'presence-yes');
    return {};
  },
  /** Answers the prompt by a key: Enter, Space, or y. The page's own words say when the server took note. */
  async answer({ who, key = 'Enter' }) {
    await page(who).keyboard.press(key);
    await until(page(who), `the answer of ${who} is taken`, () => !document.querySelector('[data-testid="presence"]').open);
    return {};
  },
  /** Hands the page a message as if the server had sent it: whether it understands it, and what it shows then. */
  async receive({ who, topic, message }) {
    return await page(who).evaluate(({ topic, message }) => ({ understood: window.beistand.receive(topic, message), shown: window.__shown() }), { topic, message });
  },
  /** Several of them, with nothing of the server's in between: what it shows after each. */
  async tells({ who, messages }) {
    return await page(who).evaluate((messages) => ({
      shown: messages.map(([topic, message]) => {
        if (!window.beistand.receive(topic, message)) throw new Error(`${topic} is not understood`);
        return window.__shown();
      }),
    }), messages);
  },
  /** The camera sends no picture any more, or does again: nobody is told. */
  async freeze({ who, on }) {
    await page(who).evaluate(async (on) => {
      const { sender, mediaStreamTrack } = window.beistand.room.localParticipant.getTrackPublication('camera').track;
      await sender.replaceTrack(on ? null : mediaStreamTrack);
    }, on);
    return {};
  },
  /** The question of recording in a window of this size: whether it lies in view, and its buttons, from top to bottom. */
  async fits({ who, width, height }) {
    await page(who).setViewportSize({ width, height });
    return await page(who).evaluate(() => {
      const dialog = document.querySelector('[data-testid="recording"]');
      const box = dialog.getBoundingClientRect();
      const buttons = [...dialog.querySelectorAll('button, .choice')].filter((one) => one.checkVisibility()).map((one) => {
        const { top, bottom, left, right } = one.getBoundingClientRect();
        const inside = top >= box.top && bottom <= box.bottom && left >= box.left && right <= box.right;
        // What lies there is it, and not something over it.
        const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
        return { words: one.innerText, inside, reached: one.contains(hit), width: right - left, height: bottom - top };
      });
      const inView = box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth;
      return { inView, wide: dialog.scrollWidth > dialog.clientWidth, hidden: dialog.scrollHeight - dialog.clientHeight, buttons };
    });
  },
  /** The SDK hands the page a refusal that comes from an identity, whether or not that is seen in the room: what the page took. */
  async refusal({ who, identity, text }) {
    return await page(who).evaluate(({ identity, text }) => {
      const payload = new TextEncoder().encode(JSON.stringify({ topic: 'beistand.recording', text }));
      window.beistand.room.emit('dataReceived', payload, undefined, 0, 'beistand.refused', 0, identity);
      return { took: window.beistand.refused };
    }, { identity, text });
  },
};

await serve(browser, COMMANDS);
