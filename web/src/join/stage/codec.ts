// Whether this browser can show a picture at all: not every one has every codec (Firefox has H.264 by a plugin alone).
import type { TrackPublication } from 'livekit-client';

/** What to say where it cannot; null: it can, or the publisher has not said what it sends. */
export function unplayableInWords(publication: TrackPublication | undefined): string | null {
  const mime = publication?.isMuted === false ? publication.mimeType : undefined;
  if (!mime || plays(mime)) return null;
  return `This browser cannot show this picture: it lacks the format (${format(mime)}). Try another browser.`;
}

function plays(mime: string): boolean {
  const known = RTCRtpReceiver.getCapabilities?.('video')?.codecs;
  return known === undefined || known.some((codec) => codec.mimeType.toLowerCase() === mime.toLowerCase());
}

/** As people write it. */
function format(mime: string): string {
  const name = mime.replace(/^video\//i, '').toUpperCase();
  return { H264: 'H.264', H265: 'H.265' }[name] ?? name;
}
