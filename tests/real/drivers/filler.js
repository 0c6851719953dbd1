// A worker of a page of links.mjs: fills the frames of a cheap picture up to the bit rate that the browser's
// congestion control gives its encoder. So a source asks for all that it may have and takes it to the byte,
// whether the encoder has a core for itself or hardly any: what is late is made up for in the next frame.
// A decoder of VP8 reads a frame to its end and leaves the rest.

// A source that stood still for longer makes up for no more.
const ARREARS_MS = 1_000;
// A keyframe takes as much as so many frames, and those after it less.
const KEYFRAME_FRAMES = 3;

// Bits per second by SSRC, and what each has still to send: since when, and so many bytes.
const targets = new Map();
const accounts = new Map();

self.onmessage = ({ data }) => data.forEach(([ssrc, bps]) => targets.set(ssrc, bps));

/** So many bytes a frame takes that is encoded now. */
function due(ssrc, type, fps) {
  const now = performance.now();
  const bps = targets.get(ssrc) ?? 0;
  const account = accounts.get(ssrc) ?? { at: now, bytes: 0 };
  account.bytes += (bps * Math.min(now - account.at, ARREARS_MS)) / 8_000;
  account.at = now;
  accounts.set(ssrc, account);
  const burst = type === 'key' ? ((KEYFRAME_FRAMES - 1) * bps) / fps / 8 : 0;
  return Math.floor(account.bytes + burst);
}

function fill(frame, fps) {
  const ssrc = frame.getMetadata().synchronizationSource;
  const encoded = new Uint8Array(frame.data);
  const bytes = Math.max(encoded.length, due(ssrc, frame.type, fps));
  accounts.get(ssrc).bytes -= bytes;
  const filled = new Uint8Array(bytes);
  filled.set(encoded);
  frame.data = filled.buffer;
}

self.onrtctransform = ({ transformer }) => {
  const { fps } = transformer.options;
  const filler = new TransformStream({
    transform(frame, controller) {
      fill(frame, fps);
      controller.enqueue(frame);
    },
  });
  transformer.readable.pipeThrough(filler).pipeTo(transformer.writable);
};
