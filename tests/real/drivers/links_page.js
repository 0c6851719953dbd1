// The client within a page of links.mjs: `window.client`. livekit-client stands in `LivekitClient`.
(() => {
  const { AudioPresets, Room, RoomEvent, Track, VideoPreset } = LivekitClient;
  const SAMPLE_MS = 250;
  // The window of `sends`.
  const WINDOW_MS = 1_000;
  const TONE_HZ = 400;
  const now = () => performance.timeOrigin + performance.now();

  const connections = [];
  const filler = new Worker('/filler.js');
  // Tracks whose frames are filled, with their frames a second.
  const filled = new WeakMap();
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...words) {
      super(...words);
      connections.push(this);
    }
    // A transform counts from the negotiation on, which the SDK begins right after.
    addTransceiver(track, ...words) {
      const transceiver = super.addTransceiver(track, ...words);
      const fps = filled.get(track);
      if (fps) transceiver.sender.transform = new RTCRtpScriptTransform(filler, { fps });
      return transceiver;
    }
  };

  const messages = [];
  const samples = [];
  const published = new Map();
  const texts = new TextDecoder();
  const room = new Room({ adaptiveStream: false, dynacast: true });

  room.on(RoomEvent.DataReceived, (payload, participant, _kind, topic) => {
    if (participant || !topic?.startsWith('beistand.')) return;
    messages.push({ at_ms: now(), topic, data: JSON.parse(texts.decode(payload)) });
  });
  const files = new Map();
  room.registerByteStreamHandler('file', async (reader, { identity }) => {
    const parts = await reader.readAll();
    files.set(identity, await digest(new Blob(parts)));
  });
  room.on(RoomEvent.TrackSubscribed, (track) => document.body.append(track.attach()));
  room.on(RoomEvent.TrackUnsubscribed, (track) => track.detach().forEach((element) => element.remove()));

  async function digest(blob) {
    const bytes = await blob.arrayBuffer();
    const sum = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
    return { bytes: bytes.byteLength, sha256: Array.from(sum, (byte) => byte.toString(16).padStart(2, '0')).join('') };
  }

  /** Received and sent totals of this moment, over all connections. */
  async function sample() {
    const audio = { packets: 0, lost: 0, samples: 0, concealed: 0 };
    const video = { bytes: 0, frames: 0, width: 0, freezes: 0, frozen_ms: 0 };
    const sent = {};
    for (const connection of connections) {
      for (const stat of (await connection.getStats()).values()) {
        if (stat.type === 'inbound-rtp' && stat.kind === 'audio') {
          audio.packets += stat.packetsReceived;
          audio.lost += stat.packetsLost;
          audio.samples += stat.totalSamplesReceived ?? 0;
          audio.concealed += stat.concealedSamples ?? 0;
        } else if (stat.type === 'inbound-rtp') {
          video.bytes += stat.bytesReceived;
          video.frames += stat.framesDecoded ?? 0;
          video.width = Math.max(video.width, stat.frameWidth ?? 0);
          video.freezes += stat.freezeCount ?? 0;
          video.frozen_ms += Math.round((stat.totalFreezesDuration ?? 0) * 1000);
        } else if (stat.type === 'outbound-rtp' && stat.kind === 'video') {
          const words = { ssrc: stat.ssrc, bytes: stat.bytesSent, frames: stat.framesEncoded, width: stat.frameWidth ?? 0 };
          sent[`${stat.mid}/${stat.rid ?? ''}`] = { ...words, target_bps: Math.round(stat.targetBitrate ?? 0), limit: stat.qualityLimitationReason };
        }
      }
    }
    filler.postMessage(Object.values(sent).map((one) => [one.ssrc, one.target_bps]));
    samples.push({ at_ms: now(), audio, video, sent });
    setTimeout(sample, SAMPLE_MS);
  }

  /** A tone without a pause, so that a gap is a loss. */
  function tone() {
    const context = new AudioContext();
    const [source, gain, sink] = [context.createOscillator(), context.createGain(), context.createMediaStreamDestination()];
    source.frequency.value = TONE_HZ;
    gain.gain.value = 0.3;
    source.connect(gain).connect(sink);
    source.start();
    return sink.stream.getAudioTracks()[0];
  }

  /** Grains in a canvas of their own, from which pictures are cut that take some bits. */
  function grains(width, height, cell) {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d');
    for (let y = 0; y < height; y += cell) {
      for (let x = 0; x < width; x += cell) {
        const level = Math.floor(Math.random() * 256);
        context.fillStyle = `rgb(${level},${(level * 7) % 256},${255 - level})`;
        context.fillRect(x, y, cell, cell);
      }
    }
    return canvas;
  }

  const PAINTERS = {
    /** A bar that wanders over a plain ground: cheap to draw and to encode. What it takes is filled in. */
    filled(context, { width, height }) {
      return (number) => {
        context.fillStyle = '#246';
        context.fillRect(0, 0, width, height);
        context.fillStyle = '#fc8';
        context.fillRect((number * 16) % width, 0, 32, height);
      };
    },
    /** One picture that stays. A corner blinks, since a canvas that does not change sends no frames. */
    still(context, { width, height }) {
      const ground = grains(width, height, 16);
      return (number) => {
        if (number === 0) context.drawImage(ground, 0, 0);
        context.fillStyle = number % 2 ? '#111' : '#222';
        context.fillRect(0, 0, 8, 8);
      };
    },
    /** Lines of text, one more every few seconds. */
    text(context, { width, height, fps }) {
      return (number) => {
        if (number % (fps * 3) !== 0) return;
        const line = number / (fps * 3);
        if (line % 20 === 0) {
          context.fillStyle = '#fff';
          context.fillRect(0, 0, width, height);
        }
        context.fillStyle = '#000';
        context.font = '16px sans-serif';
        context.fillText(`Line ${line}: the quick brown fox jumps over the lazy dog.`, 8, 20 + (line % 20) * 17);
      };
    },
  };

  /** A drawn picture as a camera or a screen gives it. */
  function drawn(video) {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [video.width, video.height];
    const context = canvas.getContext('2d', { alpha: false });
    const paint = PAINTERS[video.picture](context, video);
    let number = 0;
    const next = () => paint(number++);
    next();
    setInterval(next, 1000 / video.fps);
    const track = canvas.captureStream(video.fps).getVideoTracks()[0];
    if (video.picture === 'filled') filled.set(track, video.fps);
    return track;
  }

  function options(video) {
    const preset = ({ width, height, bps }) => new VideoPreset(width, height, bps, video.fps);
    const encoding = { maxBitrate: video.bps, maxFramerate: video.fps };
    const layers = (video.layers ?? []).map(preset);
    const source = video.source === 'screen' ? Track.Source.ScreenShare : Track.Source.Camera;
    return {
      source,
      videoCodec: 'vp8',
      simulcast: layers.length > 0,
      videoEncoding: encoding,
      screenShareEncoding: encoding,
      videoSimulcastLayers: layers,
      degradationPreference: 'maintain-resolution',
    };
  }

  window.client = {
    now,
    async join({ ws, token }) {
      const start = now();
      await room.connect(ws, token);
      sample();
      return start;
    },
    async publish({ audio, video }) {
      const me = room.localParticipant;
      if (audio) await me.publishTrack(tone(), { source: Track.Source.Microphone, dtx: false, red: false, audioPreset: AudioPresets.speech });
      if (!video) return;
      const track = drawn(video);
      // An encoder of text keeps it sharp; one of a camera keeps it fluent.
      track.contentHint = video.source === 'screen' ? 'detail' : 'motion';
      published.set(video.source, await me.publishTrack(track, options(video)));
    },
    async unpublish(source) {
      await room.localParticipant.unpublishTrack(published.get(source).track, true);
      published.delete(source);
    },
    async sendFile(bytes) {
      const parts = [];
      for (let left = bytes; left > 0; left -= 65_536) parts.push(crypto.getRandomValues(new Uint8Array(Math.min(left, 65_536))));
      const file = new File(parts, 'file');
      await room.localParticipant.sendFile(file, { topic: 'file' });
      return await digest(file);
    },
    file: (identity) => files.get(identity) ?? false,
    sends(encodings) {
      const newest = samples.at(-1);
      const before = samples.findLast((sample) => sample.at_ms <= newest?.at_ms - WINDOW_MS);
      if (!before) return false;
      const grown = Object.entries(newest.sent).filter(([name, sent]) => sent.frames > (before.sent[name]?.frames ?? sent.frames));
      return grown.length >= encodings && newest.sent;
    },
    /** When the state that holds began, as this client heard; `other` asks for any other state. */
    floor({ identity, direction, state, other }) {
      const of = (message) => message.data.participants.find((one) => one.identity === identity)?.[direction]?.state;
      const words = messages.filter((message) => message.topic === 'beistand.floor');
      const before = words.findLastIndex((message) => (of(message) === state) === Boolean(other));
      return before + 1 < words.length && { at_ms: words[before + 1].at_ms };
    },
    sampled: (until_ms) => samples.at(-1)?.at_ms >= until_ms,
    report: () => ({ samples, messages }),
    seen: () => ({ state: room.state, sample: samples.at(-1), messages: messages.slice(-2) }),
    leave: () => room.disconnect(),
  };
})();
