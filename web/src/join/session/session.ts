// One connection to a session: the LiveKit room, what we publish into it, and how it ended.
import { ConnectionState, DisconnectReason, EngineEvent, Room, RoomEvent, Track, type RemoteParticipant } from 'livekit-client';
import { receive, type Inbox } from '../messages/inbox';
import { switchCamera } from './camera';
import { publishDefaults } from './layers';
import type { JoinParams } from '../link/params';
import { pick, type Setup } from '../prejoin/prejoin';
import { encodeAnswer, PRESENCE_TOPIC } from '../messages/presence';
import { PROBE_TOPIC, Prober } from '../messages/probe';
import { CONSENT_TOPIC, encodeConsent, encodeRequest, RECORDING_TOPIC, type Purpose } from '../messages/recording';
import { END_ATTRIBUTE, endInWords, failureInWords, failureOf, lossInWords, refusalInWords, serverWords, type Device } from '../words';

export type Connection = 'connecting' | 'connected' | 'reconnecting';

export interface Ending {
  /** `over`: the session itself has ended, and there is nothing to come back to. */
  how: 'left' | 'over' | 'lost' | 'refused';
  text: string;
  /** The server's own words, where it gave some. */
  detail: string | null;
}

/** What of ours a problem is about. */
export type Origin = Device | 'screen';

/** What happens in a session; a probe it answers by itself. */
export interface SessionEvents extends Omit<Inbox, 'onProbe'> {
  onConnection(connection: Connection): void;
  /** Something in the room changed that is to be seen or heard. */
  onChange(): void;
  /** Why something of ours could not be switched on; null: it is tried anew. */
  onProblem(text: string | null, of?: Origin): void;
  onEnd(ending: Ending): void;
}

/** Whatever changes a picture, a sound, a name or a button; the view then looks at the room as it is. */
const CHANGES = [
  RoomEvent.Connected,
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantDisconnected,
  RoomEvent.ParticipantNameChanged,
  RoomEvent.ParticipantAttributesChanged,
  RoomEvent.ParticipantPermissionsChanged,
  RoomEvent.TrackSubscribed,
  RoomEvent.TrackUnsubscribed,
  RoomEvent.TrackMuted,
  RoomEvent.TrackUnmuted,
  RoomEvent.TrackStreamStateChanged,
  RoomEvent.LocalTrackPublished,
  RoomEvent.LocalTrackUnpublished,
  RoomEvent.ActiveSpeakersChanged,
  RoomEvent.AudioPlaybackStatusChanged,
  RoomEvent.RecordingStatusChanged,
] as const;

export class Session {
  readonly room: Room;
  readonly inbox: Inbox;
  readonly prober: Prober;
  /** The newest: the server renews it during the session. */
  token: string;
  private joined = false;
  private leaving = false;
  private ended = false;
  private endReason: string | null = null;

  constructor(
    private readonly params: JoinParams,
    private readonly setup: Setup,
    private readonly events: SessionEvents,
  ) {
    // Three layers up, so that each of the others gets what fits their link; and of theirs we ask for what our
    // window shows. A layer that nobody watches is not sent.
    this.token = params.token;
    this.room = new Room({
      adaptiveStream: true,
      dynacast: true,
      videoCaptureDefaults: { resolution: params.resolution },
      publishDefaults: publishDefaults(params),
      // The client would first knock at `/rtc/v1`, which this node does not have: browsers write the address of a
      // WebSocket that is refused into the console, and the token is in it.
      singlePeerConnection: false,
    });
    this.prober = new Prober((filler) => this.room.localParticipant.publishData(filler, { reliable: false, topic: PROBE_TOPIC }));
    this.inbox = { ...events, onProbe: (probe) => this.prober.start(probe) };
    this.listen();
  }

  async join(): Promise<void> {
    this.events.onConnection('connecting');
    try {
      await this.room.connect(this.params.serverUrl, this.params.token);
    } catch (error) {
      this.setup.cameraTrack?.stop();
      this.setup.micTrack?.stop();
      return this.end(this.leaving ? LEFT : { how: 'refused', text: refusalInWords(error), detail: serverWords(error) });
    }
    this.joined = true;
    await Promise.all([this.publishFirst('microphone'), this.publishFirst('camera')]);
  }

  async leave(): Promise<void> {
    this.leaving = true;
    await this.room.disconnect();
    this.end(LEFT);
  }

  /** Answers the prompt "still there?". */
  confirm(): Promise<void> {
    return this.room.localParticipant.publishData(encodeAnswer(), { reliable: true, topic: PRESENCE_TOPIC });
  }

  /** Agrees to be recorded for a purpose, or does not. */
  consent(purpose: Purpose, given: boolean): Promise<void> {
    return this.room.localParticipant.publishData(encodeConsent(purpose, given), { reliable: true, topic: CONSENT_TOPIC });
  }

  /** An expert starts or stops a recording. */
  request(purpose: Purpose, action: 'start' | 'stop'): Promise<void> {
    return this.room.localParticipant.publishData(encodeRequest(purpose, action), { reliable: true, topic: RECORDING_TOPIC });
  }

  may(source: Track.Source): boolean {
    const permission = this.room.localParticipant.permissions;
    if (!permission?.canPublish) return false;
    const allowed = permission.canPublishSources.map(Track.sourceFromProto);
    return allowed.length === 0 || allowed.includes(source);
  }

  toggleMic(): Promise<void> {
    return this.publish('microphone', !this.room.localParticipant.isMicrophoneEnabled);
  }

  toggleCamera(): Promise<void> {
    return this.publish('camera', !this.room.localParticipant.isCameraEnabled);
  }

  async toggleScreen(): Promise<void> {
    const me = this.room.localParticipant;
    this.events.onProblem(null);
    try {
      await me.setScreenShareEnabled(!me.isScreenShareEnabled);
    } catch (error) {
      // Closing the browser's own dialog is a decision, not a failure.
      if ((error as Error).name !== 'NotAllowedError') this.events.onProblem('The screen could not be shared.');
    }
    this.events.onChange();
  }

  /** Publishes what the pre-join panel opened; opens it here where it did not (rejoin, `?auto=1`). */
  private async publishFirst(device: Device): Promise<void> {
    const { choice, track, source } = this.part(device);
    if (!choice.on || !this.may(source)) return track?.stop();
    if (!track || track.mediaStreamTrack.readyState === 'ended') return this.publish(device, true);
    await this.attempt(device, () => this.room.localParticipant.publishTrack(track, { source }));
  }

  private async publish(device: Device, on: boolean): Promise<void> {
    const me = this.room.localParticipant;
    const { choice } = this.part(device);
    this.events.onProblem(null, device);
    // Kept for a rejoin, which comes back as one was.
    choice.on = on;
    await this.attempt(device, () => {
      if (device === 'camera') return switchCamera(me, on, { ...pick(choice.deviceId), resolution: this.params.resolution });
      return me.setMicrophoneEnabled(on, pick(choice.deviceId));
    });
  }

  private async attempt(device: Device, action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (!this.ended && !this.leaving) this.events.onProblem(failureInWords([device], failureOf(error)), device);
    }
    this.events.onChange();
  }

  private part(device: Device) {
    return device === 'camera'
      ? { choice: this.setup.camera, track: this.setup.cameraTrack, source: Track.Source.Camera }
      : { choice: this.setup.mic, track: this.setup.micTrack, source: Track.Source.Microphone };
  }

  private listen(): void {
    const { room, events } = this;
    for (const change of CHANGES) room.on(change, () => events.onChange());
    room.engine.on(EngineEvent.TokenRefreshed, (token) => (this.token = token));
    room.on(RoomEvent.ConnectionStateChanged, (state) => {
      if (this.ended || this.leaving) return;
      if (state === ConnectionState.Connected) events.onConnection('connected');
      if (state === ConnectionState.Reconnecting || state === ConnectionState.SignalReconnecting) events.onConnection('reconnecting');
    });
    room.on(RoomEvent.DataReceived, (payload, participant, _kind, topic, _encryption, identity) => {
      if (isFromServer(participant, identity)) receive(topic, payload, this.inbox);
    });
    room.on(RoomEvent.ParticipantAttributesChanged, (changed, participant) => {
      if (participant.isLocal) this.endReason = changed[END_ATTRIBUTE] ?? this.endReason;
    });
    room.on(RoomEvent.Disconnected, (reason) => {
      if (this.leaving || reason === DisconnectReason.CLIENT_INITIATED) return this.end(LEFT);
      if (this.endReason !== null) return this.end({ how: 'over', text: endInWords(this.endReason), detail: null });
      if (reason === DisconnectReason.ROOM_CLOSED || reason === DisconnectReason.ROOM_DELETED) {
        return this.end({ how: 'over', text: endInWords(''), detail: null });
      }
      // Before the first connection, connect() itself rejects, and knows more.
      if (this.joined) this.end({ how: 'lost', text: lossInWords(reason), detail: null });
    });
  }

  private end(ending: Ending): void {
    if (this.ended) return;
    this.ended = true;
    this.prober.stop();
    this.events.onEnd(ending);
  }
}

const LEFT: Ending = { how: 'left', text: 'You left the session.', detail: null };

/** Packets of other participants carry their identity, even of those that we do not see: none of them speaks for the server. */
function isFromServer(participant: RemoteParticipant | undefined, identity: string | undefined): boolean {
  return !participant && !identity;
}
