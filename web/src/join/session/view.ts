// The session as seen: bar, clock, stage, own picture, and the controls with their keys.
import { Track, type LocalVideoTrack, type Room } from 'livekit-client';
import { need, note, say } from '../../dom';
import { duration } from '../../duration';
import { isUrgent, leftInWords, stateInWords, type ClockMessage } from '../messages/clock';
import { noticesOf } from './causes';
import { drawFloor, type FloorMessage } from '../messages/floor';
import { Notices } from './notices';
import type { PresenceMessage } from '../messages/presence';
import { Prompt } from './prompt';
import { CONSENT_TOPIC, purposesIn, RECORDING_TOPIC, type RecordingMessage } from '../messages/recording';
import { RecordingView } from '../recording/view';
import type { RefusedMessage } from '../messages/refused';
import type { Connection, Origin, Session } from './session';
import { Stage } from '../stage/stage';
import { Told } from './told';
import type { WarningMessage } from '../messages/warning';

/** How a session is shown that we are no longer in. */
export type Closed = 'left' | 'over' | 'lost';

type Control = 'mic' | 'camera' | 'screen' | 'record' | 'leave';

const KEYS: Record<string, Control> = { m: 'mic', c: 'camera', s: 'screen', r: 'record', l: 'leave' };

const CONNECTION: Record<Connection | Closed, string> = {
  connecting: 'Connecting…',
  connected: 'Connected',
  reconnecting: 'Reconnecting…',
  lost: 'Connection lost',
  left: 'Not connected',
  over: 'Ended',
};

/** How soon it is seen that a picture stands still, or goes on. */
const LOOK_MS = 500;

export class SessionView {
  private readonly panel = need('session', HTMLElement);
  private readonly state = need('connection-state', HTMLElement);
  private readonly selfVideo = need('self-video', HTMLVideoElement);
  private readonly stage = new Stage();
  private readonly notices = new Notices();
  private readonly prompt: Prompt;
  private readonly recordings: RecordingView;
  private readonly told = new Told();
  /** What could not be switched on, and why. */
  private readonly problems = new Map<Origin, string>();
  private readonly buttons: Record<Control, HTMLButtonElement>;
  private session: Session | null = null;
  private ownTrack: LocalVideoTrack | null = null;
  private looker: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly role: string) {
    this.buttons = {
      mic: need('mic', HTMLButtonElement),
      camera: need('camera', HTMLButtonElement),
      screen: need('screen', HTMLButtonElement),
      record: need('record', HTMLButtonElement),
      leave: need('leave', HTMLButtonElement),
    };
    this.prompt = new Prompt({
      mayAnswer: () => this.mayAnswer(),
      me: () => this.session?.room.localParticipant.identity ?? null,
      nameOf: (identity) => this.nameOf(identity),
      confirm: () => this.session?.confirm() ?? Promise.resolve(),
      leave: () => void this.session?.leave(),
    });
    this.recordings = new RecordingView({
      steers: role === 'expert',
      me: () => this.session?.room.localParticipant.identity ?? null,
      nameOf: (identity) => this.nameOf(identity),
      publishes: () => this.session?.room.localParticipant.permissions?.canPublish === true,
      isBusy: () => this.prompt.isOpen,
      marked: () => this.marked(),
      isActive: () => this.session?.room.isRecording === true,
      consent: (purpose, given) => this.session?.consent(purpose, given) ?? Promise.resolve(),
      request: (purpose, action) => this.session?.request(purpose, action) ?? Promise.resolve(),
    });
    for (const control of Object.values(KEYS)) {
      this.buttons[control].addEventListener('click', () => this.press(control));
    }
    document.addEventListener('keydown', (event) => this.handleKey(event));
    need('start-audio', HTMLButtonElement).addEventListener('click', () => void this.session?.room.startAudio());
  }

  open(session: Session): void {
    this.session = session;
    this.panel.hidden = false;
    this.problems.clear();
    this.looker = setInterval(() => this.look(), LOOK_MS);
    this.sync();
    // The button that had the focus is gone with its panel; the first control takes over.
    this.buttons.mic.focus({ preventScroll: true });
  }

  close(how: Closed): void {
    this.session = null;
    this.showOwn(null);
    this.stage.clear();
    this.prompt.close();
    this.recordings.close();
    clearInterval(this.looker);
    this.panel.hidden = true;
    this.connection(how);
  }

  connection(connection: Connection | Closed): void {
    this.state.dataset['state'] = connection;
    say(this.state, CONNECTION[connection]);
    this.told.handleConnection(connection === 'connected');
    if (connection !== 'connected') this.prompt.close();
    this.drawClock();
    this.drawNotices();
    this.sync();
  }

  problem(text: string | null, of: Origin): void {
    if (text === null) this.problems.delete(of);
    else this.problems.set(of, text);
    this.sync();
  }

  clock(clock: ClockMessage): void {
    this.told.handleClock(clock);
    need('clock', HTMLElement).hidden = false;
    say(need('billed-clock', HTMLElement), duration(clock.accrued_ms));
    note(need('clock-left', HTMLElement), leftInWords(clock));
    this.drawClock();
    this.drawNotices();
    this.prompt.clock(clock);
    // The question of recording waits while the prompt is open.
    this.recordings.sync();
  }

  floor(floor: FloorMessage): void {
    this.told.handleFloor(floor);
    this.drawNotices();
    this.sync();
  }

  presence(presence: PresenceMessage): void {
    this.told.handlePresence(presence, this.session?.room.localParticipant.identity ?? null);
    this.prompt.update(presence);
    this.drawNotices();
  }

  recording(recording: RecordingMessage): void {
    this.told.handleRecording(recording);
    this.recordings.update(recording);
    this.drawNotices();
    this.sync();
  }

  refused(refused: RefusedMessage): void {
    const isOfRecording = refused.topic === CONSENT_TOPIC || refused.topic === RECORDING_TOPIC;
    // A modal dialog hides the notices behind it: it says so itself.
    if (isOfRecording && this.recordings.refuse(refused.text)) return;
    this.told.handleRefused(refused);
    this.drawNotices();
  }

  warning(warning: WarningMessage): void {
    this.told.handleWarning(warning);
    this.drawNotices();
  }

  sync(): void {
    const session = this.session;
    if (!session) return;
    const { room } = session;
    const me = room.localParticipant;
    this.recordings.sync();
    this.stage.sync(room, this.told.floors, this.recordings.recorded());
    this.showOwn(ownCamera(room));
    drawFloor(need('own-floor', HTMLElement), 'Your connection', this.told.floors.get(me.identity) ?? null);
    const may = { mic: session.may(Track.Source.Microphone), camera: session.may(Track.Source.Camera) };
    const mayScreen = session.may(Track.Source.ScreenShare) && 'getDisplayMedia' in (navigator.mediaDevices ?? {});
    this.draw('mic', may.mic, me.isMicrophoneEnabled);
    this.draw('camera', may.camera, me.isCameraEnabled);
    this.draw('screen', mayScreen, me.isScreenShareEnabled);
    need('start-audio', HTMLButtonElement).hidden = room.canPlaybackAudio;
    const needless = { microphone: me.isMicrophoneEnabled || !may.mic, camera: me.isCameraEnabled || !may.camera, screen: me.isScreenShareEnabled };
    const problems = [...this.problems].filter(([of]) => !needless[of]).map(([, text]) => text);
    note(need('session-problem', HTMLElement), problems.length > 0 ? problems.join(' ') : null);
    this.drawNotices();
  }

  /** The state of a clock of which we hear nothing is not known: what it counted last reads as old. */
  private drawClock(): void {
    const { connected, clock } = this.told;
    const bar = need('clock', HTMLElement);
    bar.dataset['stale'] = String(!connected);
    bar.dataset['state'] = connected && clock ? clock.state : 'unknown';
    bar.dataset['urgent'] = String(connected && clock !== null && isUrgent(clock));
    const onlooker = { role: this.role, otherSideHere: this.otherSideHere() };
    note(need('clock-state', HTMLElement), connected && clock ? stateInWords(clock, onlooker) : null);
  }

  private drawNotices(): void {
    const { connected, clock, floors, warnings, confirmedBy, refused } = this.told;
    const room = this.session?.room;
    const isHere = (identity: string) => identity === room?.localParticipant.identity || room?.remoteParticipants.has(identity) === true;
    const nameOf = (identity: string) => this.nameOf(identity);
    this.notices.show(noticesOf({ connected, clock, floors, warnings, confirmedBy, refused, isHere, nameOf }));
  }

  private look(): void {
    if (this.stage.look(this.told.connected)) this.sync();
  }

  /** Before the join the permissions are unknown: the buttons stand there, and do nothing yet. */
  private draw(control: Control, allowed: boolean, on: boolean): void {
    const button = this.buttons[control];
    const connected = this.session?.room.localParticipant.permissions !== undefined;
    button.hidden = connected && !allowed;
    button.setAttribute('aria-disabled', String(!connected));
    button.setAttribute('aria-pressed', String(on));
  }

  private press(control: Control): void {
    const { session } = this;
    const button = this.buttons[control];
    if (!session || button.hidden || button.getAttribute('aria-disabled') === 'true') return;
    if (control === 'mic') void session.toggleMic();
    if (control === 'camera') void session.toggleCamera();
    if (control === 'screen') void session.toggleScreen();
    if (control === 'record') this.recordings.open();
    if (control === 'leave') void session.leave();
  }

  private handleKey(event: KeyboardEvent): void {
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || isTyping(event.target)) return;
    const control = KEYS[event.key.toLowerCase()];
    if (!control || !this.session || this.prompt.isOpen || this.recordings.isOpen) return;
    event.preventDefault();
    this.press(control);
  }

  private showOwn(track: LocalVideoTrack | null): void {
    need('self', HTMLElement).hidden = track === null;
    if (track === this.ownTrack) return;
    this.ownTrack?.detach(this.selfVideo);
    track?.attach(this.selfVideo);
    this.ownTrack = track;
  }

  /** Who is recorded by their attribute, which comes before the first byte is written. */
  private marked() {
    const room = this.session?.room;
    const everyone = room ? [room.localParticipant, ...room.remoteParticipants.values()] : [];
    return everyone.map(({ identity, attributes }) => ({ identity, recorded: purposesIn(attributes['recording']) }));
  }

  private nameOf(identity: string): string {
    const room = this.session?.room;
    if (room && identity === room.localParticipant.identity) return 'you';
    return room?.remoteParticipants.get(identity)?.name || identity;
  }

  /** The two sides answer; where nobody has a role, anyone who takes part. */
  private mayAnswer(): boolean {
    if (this.role === 'expert' || this.role === 'customer') return true;
    const others = [...(this.session?.room.remoteParticipants.values() ?? [])].map((other) => other.attributes['role'] ?? '');
    return this.role !== 'observer' && !others.includes('expert') && !others.includes('customer');
  }

  private otherSideHere(): boolean {
    const other = { expert: 'customer', customer: 'expert' }[this.role];
    const others = this.session ? [...this.session.room.remoteParticipants.values()] : [];
    return other !== undefined && others.some((participant) => participant.attributes['role'] === other);
  }
}

function ownCamera(room: Room): LocalVideoTrack | null {
  const publication = room.localParticipant.getTrackPublication(Track.Source.Camera);
  return publication && !publication.isMuted ? ((publication.videoTrack as LocalVideoTrack | undefined) ?? null) : null;
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName);
}
