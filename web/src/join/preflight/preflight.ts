/** Measures the link to the node before a join: noise upwards, filler downwards, for about 4 s. */

const CHANNEL = 'beistand.preflight';
/** Everything: 5 s until it is connected, 5 s of measuring, and the verdict. */
const WITHIN_MS = 14_000;
const SAMPLE_MS = 100;
/** The encoder takes a moment to start: noise goes on a little longer than asked for. */
const LONGER_MS = 200;
/** A full queue on the way would drop the report: it is sent once that has emptied. */
const DRAINING_MS = 300;
/** An encoder stays a little below what it may send; what counts is capped by the node. */
const HEADROOM = 1.1;
const FRAMES_PER_S = 20;
/** What the encoder makes of noise at a middling quality, in bits a pixel. */
const BITS_PER_PIXEL = 1.3;
const SMALLEST = { width: 160, height: 90 };
/**
 * Firefox starts at 300 kbit/s, takes seconds to go up, and knows none of the answer's words about rates. But of a large
 * picture it never sends less than a rate of its own, above what is measured here (`VideoStreamFactory`: 1.2 Mbit/s from
 * 1280x720 on, 1.5 Mbit/s from 1920x1200 on).
 */
const LARGE = { width: 1920, height: 1200 };
/** A tile of noise is this much larger than the picture that is cut from it at random. */
const MARGIN = 256;

/** What the node measured, and whether it is enough. Numbers are null when `state` is not `done`. */
export interface Verdict {
  id: string;
  state: 'running' | 'done' | 'failed';
  up_bps: number | null;
  down_bps: number | null;
  up_floor_bps: number | null;
  down_floor_bps: number | null;
  rtt_ms: number | null;
  jitter_ms: number | null;
  up_loss_permille: number | null;
  down_loss_permille: number | null;
  passed: boolean | null;
  at_unix_ms: number | null;
  /** A plain sentence for people. */
  text: string;
}

/** How far it is; `left_ms` until the sending ends. */
export interface Progress {
  phase: 'connecting' | 'measuring' | 'judging';
  left_ms: number;
}

interface Begun {
  id: string;
  sdp: string;
  up_target_bps: number;
  duration_ms: number;
}

type Sample = [at_ms: number, packets: number, lost: number, jitter_ms: number];
type FromNode = { type: 'ping'; n: number } | { type: 'start'; up_bps: number; ms: number };

/**
 * Measures with the token of the join. Resolves with the node's verdict, also if it is bad; rejects,
 * with words for people, if it could not be measured.
 */
export async function preflight(
  serverUrl: string,
  token: string,
  onProgress: (progress: Progress) => void = () => {},
  signal?: AbortSignal,
): Promise<Verdict> {
  const base = serverUrl.replace(/^ws/, 'http').replace(/\/+$/, '');
  const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  const noise = new Noise();
  // Whoever joins before the end wants the link for the session.
  const stop = (): void => {
    noise.stop();
    peer.close();
  };
  signal?.addEventListener('abort', stop, { once: true });
  try {
    onProgress({ phase: 'connecting', left_ms: 0 });
    return await new Measurement(peer, noise, onProgress).run(base, token);
  } finally {
    signal?.removeEventListener('abort', stop);
    stop();
  }
}

class Measurement {
  private readonly channel: RTCDataChannel;
  private readonly sender: RTCRtpSender;
  private readonly receiver: RTCRtpReceiver;
  private readonly samples: Sample[] = [];
  private readonly timers: number[] = [];

  constructor(
    private readonly peer: RTCPeerConnection,
    private readonly noise: Noise,
    private readonly onProgress: (progress: Progress) => void,
  ) {
    const up = peer.addTransceiver(noise.track, { direction: 'sendonly' });
    const down = peer.addTransceiver('video', { direction: 'recvonly' });
    this.sender = up.sender;
    this.receiver = down.receiver;
    this.channel = peer.createDataChannel(CHANNEL);
  }

  async run(base: string, token: string): Promise<Verdict> {
    await this.peer.setLocalDescription();
    const sdp = this.peer.localDescription?.sdp ?? '';
    const begun = await ask<Begun>(`${base}/v1/preflights`, token, JSON.stringify({ sdp }));
    try {
      const verdict = this.verdict();
      await this.peer.setRemoteDescription({ type: 'answer', sdp: begun.sdp });
      await this.limit(begun.up_target_bps);
      return await verdict;
    } catch (error) {
      // The verdict may be there although its way back was not.
      const verdict = await ask<Verdict>(`${base}/v1/preflights/${begun.id}`, token);
      if (verdict.state === 'running') throw error;
      return verdict;
    } finally {
      this.timers.forEach((timer) => window.clearTimeout(timer));
    }
  }

  /** Without it Chromium sends a picture of this size far below what is to be measured. */
  private async limit(bps: number): Promise<void> {
    const parameters = this.sender.getParameters();
    const [encoding] = parameters.encodings;
    if (!encoding || bps === 0) return;
    encoding.maxBitrate = Math.round(bps * HEADROOM);
    encoding.maxFramerate = FRAMES_PER_S;
    parameters.degradationPreference = 'maintain-resolution';
    await this.sender.setParameters(parameters);
  }

  private verdict(): Promise<Verdict> {
    return new Promise((resolve, reject) => {
      const fail = (what: string) => () => reject(new Error(what));
      this.later(WITHIN_MS, fail('No connection came up: a firewall may block UDP.'));
      this.channel.onclose = fail('The connection ended before it was measured.');
      this.channel.onmessage = (event) => {
        const message = JSON.parse(String(event.data)) as FromNode | Verdict;
        if ('state' in message) resolve(message);
        else if (message.type === 'ping') this.say({ type: 'pong', n: message.n });
        else if (message.type === 'start') this.start(message.up_bps, message.ms);
      };
    });
  }

  private start(bps: number, ms: number): void {
    const isFirefox = /^o=mozilla/m.test(this.peer.localDescription?.sdp ?? '');
    if (bps > 0) this.noise.start(bps, isFirefox ? LARGE : null);
    const started = performance.now();
    const step = (): void => {
      const left_ms = started + ms - performance.now();
      this.onProgress({ phase: left_ms > 0 ? 'measuring' : 'judging', left_ms: Math.max(0, Math.round(left_ms)) });
      void this.sample();
      if (left_ms + LONGER_MS > 0) this.later(SAMPLE_MS, step);
      else {
        this.noise.stop();
        this.later(DRAINING_MS, () => this.say({ type: 'down', samples: this.samples }));
      }
    };
    step();
  }

  private async sample(): Promise<void> {
    const report = await this.receiver.getStats();
    for (const stat of report.values()) {
      if (stat.type !== 'inbound-rtp') continue;
      const { timestamp, packetsReceived, packetsLost, jitter } = stat as RTCInboundRtpStreamStats;
      const whole = (value = 0): number => Math.max(0, Math.round(value));
      this.samples.push([whole(timestamp), whole(packetsReceived), whole(packetsLost), whole(1_000 * (jitter ?? 0))]);
    }
  }

  private say(message: object): void {
    if (this.channel.readyState === 'open') this.channel.send(JSON.stringify(message));
  }

  private later(ms: number, act: () => void): void {
    this.timers.push(window.setTimeout(act, ms));
  }
}

/** A picture of noise: no encoder can make it smaller than it is told to. Still until it is started. */
class Noise {
  readonly track: MediaStreamTrack;
  private readonly canvas = document.createElement('canvas');
  private timer: number | undefined;

  constructor() {
    Object.assign(this.canvas, SMALLEST);
    this.draw2d().fillRect(0, 0, SMALLEST.width, SMALLEST.height);
    const [track] = this.canvas.captureStream(FRAMES_PER_S).getVideoTracks();
    if (!track) throw new Error('This browser cannot make a picture to send.');
    this.track = track;
  }

  /** `shown`: stretched to this size. */
  start(bps: number, shown: { width: number; height: number } | null): void {
    const pixels = bps / FRAMES_PER_S / BITS_PER_PIXEL;
    const width = Math.max(SMALLEST.width, 2 * Math.round(Math.sqrt((pixels * 16) / 9) / 2));
    const height = Math.max(SMALLEST.height, 2 * Math.round((width * 9) / 32));
    const size = shown ?? { width, height };
    Object.assign(this.canvas, size);
    const tile = random(width + MARGIN, height + MARGIN);
    const draw = this.draw2d();
    const offset = (): number => Math.floor(Math.random() * MARGIN);
    const step = (): void => draw.drawImage(tile, offset(), offset(), width, height, 0, 0, size.width, size.height);
    this.timer = window.setInterval(step, 1_000 / FRAMES_PER_S);
  }

  stop(): void {
    window.clearInterval(this.timer);
    this.track.stop();
  }

  private draw2d(): CanvasRenderingContext2D {
    const context = this.canvas.getContext('2d');
    if (!context) throw new Error('This browser cannot make a picture to send.');
    return context;
  }
}

function random(width: number, height: number): HTMLCanvasElement {
  const tile = Object.assign(document.createElement('canvas'), { width, height });
  const image = new ImageData(width, height);
  for (let at = 0; at < image.data.length; at += 4) {
    const grey = Math.floor(Math.random() * 256);
    image.data.set([grey, grey, grey, 255], at);
  }
  tile.getContext('2d')?.putImageData(image, 0, 0);
  return tile;
}

async function ask<T>(url: string, token: string, body?: string): Promise<T> {
  const headers: Record<string, string> = { Authorization: `Bearer ${token}` };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const response = await fetch(url, { method: body === undefined ? 'GET' : 'POST', headers, body: body ?? null });
  const text = await response.text();
  if (response.ok) return JSON.parse(text) as T;
  throw new Error(detail(text) ?? `The node refuses to measure (${response.status}).`);
}

function detail(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { detail?: string }).detail;
  } catch {
    return undefined;
  }
}
