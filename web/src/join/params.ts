// What the address says: the token and server in the fragment, the capture options in the query.
import type { VideoResolution } from 'livekit-client';

export interface JoinParams {
  token: string;
  serverUrl: string;
  resolution: VideoResolution;
  codec: 'vp8' | 'h264';
  /** `?auto=1`: no pre-join panel, join at once with the default camera and microphone. For tests and demos. */
  auto: boolean;
}

/** The session needs 1 Mbit/s (the default Floor), which carries 720p at this rate. */
const FRAME_RATE = 30;

/** Null when the address carries no token, or names a server that cannot be one. */
export function readParams(address: URL): JoinParams | null {
  // The fragment never leaves the browser, so the token stays out of server logs and referrers.
  const fragment = new URLSearchParams(address.hash.slice(1));
  const token = fragment.get('token');
  const serverUrl = server(fragment.get('url'), address);
  if (!token || !serverUrl) return null;
  const query = address.searchParams;
  return {
    token,
    serverUrl,
    resolution: query.get('video') === '640x360' ? size(640, 360) : size(1280, 720),
    codec: query.get('codec') === 'h264' ? 'h264' : 'vp8',
    auto: query.get('auto') === '1',
  };
}

function size(width: number, height: number): VideoResolution {
  return { width, height, frameRate: FRAME_RATE, aspectRatio: width / height };
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
