// What the address says: the token and server in the fragment, the capture options in the query.
import type { VideoResolution } from 'livekit-client';

export interface JoinParams {
  token: string;
  serverUrl: string;
  resolution: VideoResolution;
  codec: 'vp8' | 'h264';
  /** Whether the camera is sent in several sizes at once: yes, unless `?simulcast=0`. */
  simulcast: boolean;
  /** `?layers=60,200,700`: kbit/s of each layer, from the smallest; null: LiveKit's own. It sends three from 960 pixels of width on. */
  layers: number[] | null;
  /** `?auto=1`: no pre-join panel, join at once with the default camera and microphone. For tests and demos. */
  auto: boolean;
  /** Whether the connection is checked before joining: `?preflight=0|1`; without it, wherever there is a panel to show it. */
  preflight: boolean;
}

/** The session needs 1 Mbit/s (the default Floor), which carries 720p at this rate. */
const FRAME_RATE = 30;
const SIZES = ['640x360', '960x540', '1280x720'];
/** What a browser can encode at once. */
const MOST_LAYERS = 3;
const MOST_KBPS = 10_000;

/** Null when the address carries no token, or names a server that cannot be one. */
export function readParams(address: URL): JoinParams | null {
  // The fragment never leaves the browser, so the token stays out of server logs and referrers.
  const fragment = new URLSearchParams(address.hash.slice(1));
  const token = fragment.get('token');
  const serverUrl = server(fragment.get('url'), address);
  if (!token || !serverUrl) return null;
  const query = address.searchParams;
  const auto = query.get('auto') === '1';
  return {
    token,
    serverUrl,
    resolution: resolution(query.get('video'), query.get('fps')),
    codec: query.get('codec') === 'h264' ? 'h264' : 'vp8',
    simulcast: query.get('simulcast') !== '0',
    layers: layers(query.get('layers')),
    auto,
    preflight: auto ? query.get('preflight') === '1' : query.get('preflight') !== '0',
  };
}

function resolution(wanted: string | null, fps: string | null): VideoResolution {
  const known = SIZES.find((size) => size === wanted) ?? '1280x720';
  const [width = 1280, height = 720] = known.split('x').map(Number);
  const frameRate = Math.min(FRAME_RATE, Math.max(1, Math.floor(Number(fps ?? FRAME_RATE)) || FRAME_RATE));
  return { width, height, frameRate, aspectRatio: width / height };
}

function layers(list: string | null): number[] | null {
  const rates = (list ?? '').split(',').map(Number).slice(0, MOST_LAYERS);
  return rates.every((kbps) => Number.isInteger(kbps) && kbps > 0 && kbps <= MOST_KBPS) ? rates : null;
}

/** The given server, or else the one of this page, with whatever path prefix a proxy put before it. */
function server(given: string | null, address: URL): string | null {
  if (given !== null && !URL.canParse(given)) return null;
  const url = given === null ? new URL('.', address) : new URL(given);
  url.search = '';
  url.hash = '';
  const scheme = { 'https:': 'wss:', 'wss:': 'wss:', 'http:': 'ws:', 'ws:': 'ws:' }[url.protocol];
  return scheme ? scheme + url.href.slice(url.protocol.length) : null;
}
