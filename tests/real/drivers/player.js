// A player within a page of recorded.mjs: `window.player`. It plays as a person would see it: a `<video>`.
(() => {
  const LOOK_MS = 100;
  const now = () => performance.now();
  const EVENTS = ['loadedmetadata', 'playing', 'waiting', 'stalled', 'error', 'ended'];

  window.player = {
    /** Until the end, an error, or the end of patience: all that an app would know of it. */
    async play({ url, rate, timeout_ms }) {
      const video = document.createElement('video');
      const story = { events: [], error: null, ended: false, duration_s: null, width: 0, height: 0, longest_stop_ms: 0 };
      for (const name of EVENTS) video.addEventListener(name, () => story.events.push([name, +video.currentTime.toFixed(3)]));
      document.body.append(video);
      video.src = url;
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
        seekable_s: video.seekable.length ? video.seekable.end(0) : null, took_ms: Math.round(now() - start),
      });
      return story;
    },
  };
})();
