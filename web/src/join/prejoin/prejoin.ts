// The panel before joining: preview, device choice, microphone level, and the Join button.
import { createLocalAudioTrack, createLocalTracks, createLocalVideoTrack, LocalAudioTrack, LocalVideoTrack, type VideoResolution } from 'livekit-client';
import { make, need, note, say } from '../../dom';
import { ConnectionCheck, type Measure } from '../preflight/check';
import { hook } from '../hook';
import { showLevel } from './level';
import { Slot, type Choice } from './slot';
import type { TokenView } from '../link/token';
import { failureInWords } from '../words';

/** What somebody joins with. The tracks are open already, so that no browser asks or blinks twice. */
export interface Setup {
  camera: Choice;
  mic: Choice;
  cameraTrack: LocalVideoTrack | null;
  micTrack: LocalAudioTrack | null;
}

export class Prejoin {
  private readonly panel = need('prejoin', HTMLElement);
  private readonly video = need('preview-video', HTMLVideoElement);
  private readonly joinButton = need('join', HTMLButtonElement);
  private readonly camera: Slot<LocalVideoTrack>;
  private readonly mic: Slot<LocalAudioTrack>;
  private shown: LocalVideoTrack | null = null;
  private heard: LocalAudioTrack | null = null;
  private stopLevel: () => void = () => undefined;
  private readonly check: ConnectionCheck | null;

  constructor(
    private readonly view: TokenView,
    private readonly resolution: VideoResolution,
    measure: Measure | null,
    private readonly onJoin: (setup: Setup) => void,
  ) {
    const draw = () => this.draw();
    this.camera = new Slot((deviceId) => createLocalVideoTrack({ ...pick(deviceId), resolution }), draw);
    this.mic = new Slot((deviceId) => createLocalAudioTrack(pick(deviceId)), draw);
    this.check = measure && new ConnectionCheck(measure, (running, verdict) => {
      hook.verdict = verdict;
      // Joining in the middle of it would spoil both: it takes seconds, and can be skipped.
      this.joinButton.disabled = running;
      say(this.joinButton, verdict?.passed === false ? 'Join anyway' : 'Join');
    });
    hook.judge = (verdict) => this.check?.show(verdict);
    this.bind();
  }

  /** Shows the panel and asks for the devices that the token may publish. */
  async show(): Promise<void> {
    const { room, name, maySendCamera, maySendMic } = this.view;
    say(need('prejoin-who', HTMLElement), `Room ${room}, as ${name}`);
    this.camera.choice.on = maySendCamera;
    this.mic.choice.on = maySendMic;
    need('prejoin-devices', HTMLElement).hidden = !maySendCamera && !maySendMic;
    need('pre-camera', HTMLElement).hidden = !maySendCamera;
    need('pre-mic', HTMLElement).hidden = !maySendMic;
    this.panel.hidden = false;
    this.draw();
    void this.check?.start();
    if (maySendCamera && maySendMic && (await this.openBoth())) return;
    // Together they failed, or only one is allowed: one may still work without the other.
    if (maySendCamera) await this.camera.set(true);
    if (maySendMic) await this.mic.set(true);
  }

  private async openBoth(): Promise<boolean> {
    try {
      for (const track of await createLocalTracks({ audio: true, video: { resolution: this.resolution } })) {
        if (track instanceof LocalVideoTrack) this.camera.adopt(track);
        if (track instanceof LocalAudioTrack) this.mic.adopt(track);
      }
      return this.camera.track !== null && this.mic.track !== null;
    } catch {
      return false;
    }
  }

  private bind(): void {
    need('pre-camera', HTMLButtonElement).addEventListener('click', () => void this.camera.set(!this.camera.choice.on));
    need('pre-mic', HTMLButtonElement).addEventListener('click', () => void this.mic.set(!this.mic.choice.on));
    const cameras = need('camera-list', HTMLSelectElement);
    const mics = need('mic-list', HTMLSelectElement);
    cameras.addEventListener('change', () => void this.camera.choose(cameras.value));
    mics.addEventListener('change', () => void this.mic.choose(mics.value));
    navigator.mediaDevices?.addEventListener('devicechange', () => void this.listDevices());
    this.joinButton.addEventListener('click', () => this.join());
  }

  private join(): void {
    this.joinButton.disabled = true;
    this.check?.close();
    const cameraTrack = this.camera.take();
    const micTrack = this.mic.take();
    this.draw();
    this.panel.hidden = true;
    this.onJoin({ camera: this.camera.choice, mic: this.mic.choice, cameraTrack, micTrack });
  }

  private draw(): void {
    const camera = this.camera.track;
    if (camera !== this.shown) {
      this.shown?.detach(this.video);
      camera?.attach(this.video);
      this.shown = camera;
    }
    const mic = this.mic.track;
    if (mic !== this.heard) {
      this.stopLevel();
      this.stopLevel = mic ? showLevel(mic.mediaStreamTrack, need('mic-meter', HTMLMeterElement)) : () => undefined;
      this.heard = mic;
    }
    this.video.hidden = !camera;
    need('preview-off', HTMLElement).hidden = camera !== null;
    need('pre-camera', HTMLButtonElement).setAttribute('aria-pressed', String(camera !== null));
    need('pre-mic', HTMLButtonElement).setAttribute('aria-pressed', String(mic !== null));
    note(need('prejoin-problem', HTMLElement), this.problem());
    void this.listDevices();
  }

  private problem(): string | null {
    const { maySendCamera, maySendMic } = this.view;
    if (!maySendCamera && !maySendMic) return 'This link lets you watch and listen.';
    const [camera, mic] = [this.camera.failure, this.mic.failure];
    if (!camera && !mic) return null;
    const what = [
      camera && camera === mic ? failureInWords(['camera', 'microphone'], camera) : null,
      camera && camera !== mic ? failureInWords(['camera'], camera) : null,
      mic && camera !== mic ? failureInWords(['microphone'], mic) : null,
    ];
    const listens = (camera && mic) || !maySendCamera || !maySendMic;
    const without = listens ? 'You can still join to watch and listen.' : 'You can join without it.';
    return [...what, without].filter((text) => text !== null).join(' ');
  }

  private async listDevices(): Promise<void> {
    const devices = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    const fill = (id: string, kind: MediaDeviceKind, open: MediaStreamTrack | undefined, chosen: string | undefined) => {
      const list = need(id, HTMLSelectElement);
      // Before permission, browsers list devices without ids: nothing to choose from yet.
      const usable = devices.filter((device) => device.kind === kind && device.deviceId !== '');
      list.replaceChildren(...usable.map((device, i) => option(device.deviceId, device.label || `Device ${i + 1}`)));
      list.disabled = usable.length === 0;
      if (usable.length === 0) list.append(option('', 'None available'));
      else list.value = open?.getSettings().deviceId ?? chosen ?? list.value;
    };
    fill('camera-list', 'videoinput', this.camera.track?.mediaStreamTrack, this.camera.choice.deviceId);
    fill('mic-list', 'audioinput', this.mic.track?.mediaStreamTrack, this.mic.choice.deviceId);
  }
}

/** The chosen device exactly, or whichever the browser prefers. */
export function pick(deviceId: string | undefined): { deviceId?: { exact: string } } {
  return deviceId === undefined ? {} : { deviceId: { exact: deviceId } };
}

function option(value: string, label: string): HTMLOptionElement {
  const element = make('option', '', label);
  element.value = value;
  return element;
}
