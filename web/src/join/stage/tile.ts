// One picture on the stage: the camera or the screen of a participant, with the name below it.
import { Track, type RemoteParticipant, type TrackPublication, type VideoTrack } from 'livekit-client';
import { make, note, say } from '../../dom';
import { drawFloor, type FloorOf } from '../messages/floor';
import { Motion } from './motion';
import { unplayableInWords } from './codec';

export class Tile {
  readonly root = make('figure', 'tile');
  private readonly initials = make('div', 'initials');
  private readonly caption = make('figcaption');
  private readonly name = make('span');
  private readonly mark = make('span', 'muted-mark');
  private readonly recorded = make('span', 'recorded-mark');
  private readonly floor = make('span', 'floor');
  private readonly unplayable = make('p', 'unplayable');
  private video: HTMLVideoElement | null = null;
  private track: VideoTrack | null = null;
  private readonly motion = new Motion();
  private frozen = false;
  private awaited = false;

  constructor(private readonly source: Track.Source.Camera | Track.Source.ScreenShare) {
    this.root.dataset['source'] = source;
    this.initials.setAttribute('aria-hidden', 'true');
    this.floor.dataset['testid'] = 'floor';
    this.recorded.dataset['testid'] = 'recorded';
    const who = make('span', 'who');
    who.append(this.name, this.mark, this.recorded);
    this.caption.append(who, this.floor);
    this.unplayable.dataset['testid'] = 'unplayable';
    this.root.append(this.initials, this.caption);
    this.root.append(this.unplayable);
  }

  show(participant: RemoteParticipant, floor: FloorOf | null, isRecorded: boolean): void {
    const name = participant.name || participant.identity;
    const isScreen = this.source === Track.Source.ScreenShare;
    const publication = participant.getTrackPublication(this.source);
    const label = isScreen ? `Screen of ${name}` : name;
    this.attach(publication?.videoTrack ?? null, participant.identity);
    const visible = this.video !== null && publication?.isMuted !== true;
    if (this.video) {
      // Invisible, not gone: a picture without a place would be one that nobody wants, and would not be sent.
      this.video.style.visibility = visible ? '' : 'hidden';
      this.video.setAttribute('aria-label', isScreen ? label : `Video of ${name}`);
    }
    this.initials.hidden = visible;
    say(this.initials, initials(name));
    say(this.name, label);
    const paused = isPaused(publication);
    this.awaited = visible && !paused;
    const silent = !isScreen && !participant.isMicrophoneEnabled;
    const marks = [silent && 'muted', paused && 'picture paused to keep the sound', this.awaited && this.frozen && STILL].filter(Boolean);
    note(this.mark, marks.length > 0 ? marks.join(', ') : null);
    this.root.dataset['still'] = String(visible && (paused || this.frozen));
    note(this.recorded, isRecorded ? 'recorded' : null);
    note(this.unplayable, unplayableInWords(publication));
    drawFloor(this.floor, 'Connection', isScreen ? null : floor);
    this.root.dataset['speaking'] = String(!isScreen && participant.isSpeaking);
  }

  /** Looks whether the picture moves on; true: that changed. */
  look(connected: boolean): boolean {
    const isScreen = this.source === Track.Source.ScreenShare;
    const frozen = this.video !== null && this.awaited && this.motion.isStill(this.video, connected, isScreen);
    const changed = frozen !== this.frozen;
    this.frozen = frozen;
    return changed;
  }

  remove(): void {
    this.detach();
    this.root.remove();
  }

  /** The element lives exactly as long as its track, so that a test or a person never sees a stale picture. */
  private attach(track: VideoTrack | null, identity: string): void {
    if (track === this.track) return;
    this.detach();
    if (!track) return;
    const video = make('video');
    video.autoplay = true;
    video.playsInline = true;
    video.muted = true;
    video.dataset['testid'] = 'remote-video';
    video.dataset['identity'] = identity;
    video.dataset['source'] = this.source;
    track.attach(video);
    this.root.prepend(video);
    this.video = video;
    this.track = track;
    this.motion.begin();
  }

  private detach(): void {
    if (this.video) this.track?.detach(this.video);
    this.video?.remove();
    this.video = null;
    this.track = null;
    this.frozen = false;
  }
}

/** The server pauses a picture when the link has no room for it. */
function isPaused(publication: TrackPublication | undefined): boolean {
  return publication?.track?.streamState === Track.StreamState.Paused && !publication.isMuted;
}

const STILL = 'picture stands still';

/** Up to two letters; by code point, since a name may begin with any script or an emoji. */
function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const first = (word: string | undefined) => Array.from(word ?? '')[0] ?? '';
  const letters = first(words[0]) + (words.length > 1 ? first(words.at(-1)) : '');
  return letters.toUpperCase() || '?';
}
