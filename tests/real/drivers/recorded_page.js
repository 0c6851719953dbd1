// The client within a page of recorded.mjs: `window.client`. livekit-client stands in `LivekitClient`.
(() => {
  const { Room, RoomEvent, Track, VideoPreset } = LivekitClient;
  const { now } = window.pattern;
  const LOOK_MS = 100;
  const SOURCES = { camera: Track.Source.Camera, microphone: Track.Source.Microphone };

  const words = [];
  let passed_ms = 0;
  let received = 0;
  // Of each track that was ever received: what comes again after a rejoin is another one.
  const decoded = new Map();
  let stopped_ms = 0;
  let moved_ms = null;
  // What the server asks for is not what a test wants to see change: the layers stay as the test has them.
  const room = new Room({ adaptiveStream: false, dynacast: false });

  room.on(RoomEvent.DataReceived, (payload, participant, _kind, topic) => {
    if (participant || !topic?.startsWith('beistand.')) return;
    words.push({ at_ms: now(), topic, data: JSON.parse(new TextDecoder().decode(payload)) });
  });
  room.on(RoomEvent.TrackSubscribed, (track) => document.body.append(track.attach()));
  room.on(RoomEvent.TrackUnsubscribed, (track) => track.detach().forEach((element) => element.remove()));

  /** Frames of all others so far, and the longest time without a new one. */
  async function look() {
    for (const other of room.remoteParticipants.values()) {
      for (const publication of other.videoTrackPublications.values()) {
        const report = await publication.track?.receiver?.getStats();
        for (const stat of report?.values() ?? []) {
          if (stat.type === 'inbound-rtp') decoded.set(publication.trackSid, stat.framesDecoded ?? 0);
        }
      }
    }
    const frames = [...decoded.values()].reduce((sum, one) => sum + one, 0);
    if (frames > received) moved_ms = now();
    else if (moved_ms) stopped_ms = Math.max(stopped_ms, now() - moved_ms);
    received = Math.max(received, frames);
    passed_ms = now();
    setTimeout(look, LOOK_MS);
  }

  const publication = (source) => room.localParticipant.getTrackPublication(SOURCES[source]);
  const say = (topic, message) => room.localParticipant.publishData(new TextEncoder().encode(JSON.stringify(message)), { reliable: true, topic });

  window.client = {
    async join({ ws, token }) {
      const start_ms = now();
      await room.connect(ws, token);
      look();
      return { start_ms, at_ms: now(), sid: room.localParticipant.sid };
    },
    async publish({ audio, video }) {
      const me = room.localParticipant;
      const sids = {};
      if (audio) {
        const made = await me.publishTrack(window.pattern.audio(audio), { source: SOURCES.microphone });
        sids.microphone = made.trackSid;
      }
      if (video) {
        const preset = ({ width, height, bps }) => new VideoPreset(width, height, bps, 20);
        const track = window.pattern.video(video);
        track.contentHint = 'motion';
        const layers = (video.layers ?? []).map(preset);
        const made = await me.publishTrack(track, {
          source: SOURCES.camera, videoCodec: video.codec ?? 'vp8', simulcast: layers.length > 0,
          videoEncoding: { maxBitrate: video.bps, maxFramerate: 20 }, videoSimulcastLayers: layers, degradationPreference: 'maintain-resolution',
        });
        sids.camera = made.trackSid;
      }
      return { at_ms: now(), sids };
    },
    async consent(answer) {
      await say('beistand.consent', answer);
      return { at_ms: now() };
    },
    async record(wish) {
      await say('beistand.recording', wish);
      return { at_ms: now() };
    },
    recorded({ of, purposes, active = null }) {
      if (active !== null && room.isRecording !== active) return false;
      const one = of === null ? room.localParticipant : room.remoteParticipants.get(of);
      const list = (one?.attributes.recording ?? '').split(',').filter(Boolean).sort();
      return list.join() === [...purposes].sort().join() && { at_ms: now(), active: room.isRecording };
    },
    async top(active) {
      const sender = publication('camera').track.sender;
      const parameters = sender.getParameters();
      parameters.encodings.at(-1).active = active;
      await sender.setParameters(parameters);
      return { at_ms: now(), encodings: sender.getParameters().encodings.map(({ rid, active }) => ({ rid, active })) };
    },
    async mute({ source, muted }) {
      const { track } = publication(source);
      await (muted ? track.mute() : track.unmute());
      return { at_ms: now() };
    },
    passed: (until_ms) => passed_ms >= until_ms && { at_ms: passed_ms, frames: received, stopped_ms },
    received: () => received,
    seen_frames: (least) => received >= least && { at_ms: now(), frames: received },
    seen: () => ({ state: room.state, attributes: room.localParticipant.attributes, received, stopped_ms, words: words.slice(-3) }),
    async leave() {
      const start_ms = now();
      await room.disconnect();
      return { start_ms, at_ms: now() };
    },
  };
})();
