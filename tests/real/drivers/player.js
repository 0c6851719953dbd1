// A player within a page of recorded.mjs: `window.player`. It plays as a person would see it: a `<video>`.
(() => {
  const LOOK_MS = 100;
  const now = () => performance.now();
  const EVENTS = ['loadedmetadata', 'playing', 'waiting', 'stalled', 'error', 'ended'];

  const BEEP_MS = 400;

  /** Notes when the picture turns white and when the sound gets loud, as they are shown and heard. */
  function watch(video) {
    const seen = { flashes: [], beeps: [] };
    const sound = new AudioContext();
    const level = sound.createAnalyser();
    level.fftSize = 256;
    sound.createMediaElementSource(video).connect(level).connect(sound.destination);
    const samples = new Float32Array(level.fftSize);
    let loud = -Infinity;
    setInterval(() => {
      level.getFloatTimeDomainData(samples);
      if (!samples.some((sample) => Math.abs(sample) > 0.05)) return;
      if (now() - loud > BEEP_MS / video.playbackRate) seen.beeps.push(now());
      loud = now();
    }, 2);
    const dot = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    let white = true;
    const look = (_, frame) => {
      dot.drawImage(video, 0, 0, video.videoWidth, video.videoHeight / 2, 0, 0, 1, 1);
      const before = white;
      white = dot.getImageData(0, 0, 1, 1).data.slice(0, 3).every((part) => part > 190);
      if (white && !before) seen.flashes.push([frame.mediaTime, frame.expectedDisplayTime]);
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
    return seen;
  }

  /** Each flash, in seconds of the file, with the distance of the beep that is nearest, in its seconds too. */
  const steps = ({ flashes, beeps }, rate) =>
    flashes.map(([media_s, at]) => {
      const apart = beeps.map((beep) => ((beep - at) * rate) / 1000);
      return [media_s, apart.reduce((least, one) => (Math.abs(one) < Math.abs(least) ? one : least), Infinity)];
    });

  window.player = {
    /**
     * Until the end, an error, or the end of patience: all that an app would know of it. `listen`: also what is
     * seen when which sound is heard; the page and the file must then come from one server.
     */
    async play({ url, rate, listen, timeout_ms }) {
      const video = document.createElement('video');
      const story = { events: [], error: null, ended: false, duration_s: null, width: 0, height: 0, longest_stop_ms: 0 };
      for (const name of EVENTS) video.addEventListener(name, () => story.events.push([name, +video.currentTime.toFixed(3)]));
      document.body.append(video);
      video.src = url;
      const seen = listen && watch(video);
      video.playbackRate = rate;
      video.play().catch((error) => (story.error ??= String(error)));
      const start = now();
      let [moved, at] = [start, 0];
      while (!video.ended && !video.error && now() - start < timeout_ms) {
        await new Promise((done) => setTimeout(done, LOOK_MS));
        if (video.currentTime > at) [moved, at] = [now(), video.currentTime];
        else if (at > 0) story.longest_stop_ms = Math.max(story.longest_stop_ms, Math.round(now() - moved));
        story.width = Math.max(story.width, video.videoWidth);
        story.height = Math.max(story.height, video.videoHeight);
      }
      if (video.error) story.error = `${video.error.code}: ${video.error.message}`;
      const quality = video.getVideoPlaybackQuality();
      Object.assign(story, {
        ended: video.ended, duration_s: video.duration, at_s: video.currentTime,
        frames: quality.totalVideoFrames, dropped: quality.droppedVideoFrames, sound_bytes: video.webkitAudioDecodedByteCount,
        seekable_s: video.seekable.length ? video.seekable.end(0) : null, took_ms: Math.round(now() - start), steps: seen ? steps(seen, rate) : null,
      });
      return story;
    },
  };
})();
