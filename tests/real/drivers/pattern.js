// A pattern to see and to hear, for pages of recorded.mjs: `window.pattern`. At each whole second of the
// wall clock the ground flashes and a tone beeps; between flashes a bar wanders; below stands a clock.
(() => {
  const TICK_MS = 50;
  const CLOCK_BITS = 16;
  // The lowest quarter of the picture.
  const CLOCK_SHARE = 0.25;
  const FLASH_MS = 100;
  const LEVEL = 0.4;
  const RATE = 48_000;
  const now = () => performance.timeOrigin + performance.now();

  /** The picture of a moment, in whole ticks since 1970. */
  function paint(context, { width, height, colour }, tick) {
    const bottom = Math.round(height * (1 - CLOCK_SHARE));
    const flashing = (tick * TICK_MS) % 1000 < FLASH_MS;
    context.fillStyle = flashing ? '#fff' : colour;
    context.fillRect(0, 0, width, bottom);
    if (!flashing) {
      context.fillStyle = '#303030';
      context.fillRect((tick * width) / 24 % width, 0, width / 12, bottom);
    }
    for (let bit = 0; bit < CLOCK_BITS; bit++) {
      context.fillStyle = Math.floor(tick / 2 ** bit) % 2 ? '#fff' : '#000';
      context.fillRect((bit * width) / CLOCK_BITS, bottom, width / CLOCK_BITS, height - bottom);
    }
  }

  /** A track whose pictures bear the moment that they show. */
  function video(look) {
    const canvas = new OffscreenCanvas(look.width, look.height);
    const context = canvas.getContext('2d', { alpha: false });
    const track = new MediaStreamTrackGenerator({ kind: 'video' });
    const writer = track.writable.getWriter();
    const next = () => {
      const tick = Math.floor(now() / TICK_MS);
      paint(context, look, tick);
      const at_ms = tick * TICK_MS - performance.timeOrigin;
      const frame = new VideoFrame(canvas, { timestamp: Math.round(at_ms * 1000) });
      writer.write(frame).catch(() => {});
      setTimeout(next, (tick + 1) * TICK_MS - now() + 0.5);
    };
    next();
    return track;
  }

  /** A track that beeps, made of blocks that bear the moment that they sound. */
  function audio({ hz }) {
    const track = new MediaStreamTrackGenerator({ kind: 'audio' });
    const writer = track.writable.getWriter();
    const [count, block_ms] = [RATE / 100, 10];
    let at_ms = Math.floor(now() / block_ms) * block_ms;
    const next = () => {
      // A block is complete when its last sample has sounded, as with a microphone.
      for (; at_ms + block_ms <= now(); at_ms += block_ms) {
        const data = new Float32Array(count);
        if (at_ms % 1000 < FLASH_MS) {
          const from = ((at_ms % 1000) * RATE) / 1000;
          data.forEach((_, i) => (data[i] = LEVEL * Math.sin((2 * Math.PI * hz * (from + i)) / RATE)));
        }
        const timestamp = Math.round((at_ms - performance.timeOrigin) * 1000);
        const block = new AudioData({ format: 'f32-planar', sampleRate: RATE, numberOfFrames: count, numberOfChannels: 1, timestamp, data });
        writer.write(block).catch(() => {});
      }
      setTimeout(next, at_ms + block_ms - now() + 0.5);
    };
    next();
    return track;
  }

  window.pattern = { now, audio, video };
})();
