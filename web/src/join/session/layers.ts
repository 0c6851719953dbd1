// What we publish: how many layers of the camera, and at which rates.
import { VideoPreset, type RoomOptions } from 'livekit-client';
import type { JoinParams } from '../link/params';

/** Each layer is half as wide and high as the next, as simulcast has it. */
const STEP = 2;

export function publishDefaults({ codec, simulcast, layers, resolution }: JoinParams): RoomOptions['publishDefaults'] {
  const shared = { videoCodec: codec, dtx: true, red: false, simulcast };
  if (!layers) return shared;
  const presets = layers.map((kbps, i) => {
    const scale = STEP ** (layers.length - 1 - i);
    return new VideoPreset(resolution.width / scale, resolution.height / scale, kbps * 1000, resolution.frameRate);
  });
  return { ...shared, videoEncoding: presets.at(-1)?.encoding, videoSimulcastLayers: presets.slice(0, -1) };
}
