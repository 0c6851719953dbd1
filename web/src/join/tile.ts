// One picture on the stage: the camera or the screen of a participant, with the name below it.
import { Track, type RemoteParticipant, type VideoTrack } from 'livekit-client';
import { make, say } from '../dom';

export class Tile {
  readonly root = make('figure', 'tile');
  private readonly initials = make('div', 'initials');
  private readonly caption = make('figcaption');
  private readonly name = make('span');
  private readonly muted = make('span', 'muted-mark', 'muted');
  private video: HTMLVideoElement | null = null;
  private track: VideoTrack | null = null;

  constructor(private readonly source: Track.Source.Camera | Track.Source.ScreenShare) {
    this.root.dataset['source'] = source;
    this.initials.setAttribute('aria-hidden', 'true');
    this.caption.append(this.name, this.muted);
    this.root.append(this.initials, this.caption);
  }

  show(participant: RemoteParticipant): void {
    const name = participant.name || participant.identity;
    const isScreen = this.source === Track.Source.ScreenShare;
    const publication = participant.getTrackPublication(this.source);
    const label = isScreen ? `Screen of ${name}` : name;
    this.attach(publication?.videoTrack ?? null, participant.identity);
    const visible = this.video !== null && publication?.isMuted !== true;
    if (this.video) {
      this.video.hidden = !visible;
      this.video.setAttribute('aria-label', isScreen ? label : `Video of ${name}`);
    }
    this.initials.hidden = visible;
    say(this.initials, initials(name));
    say(this.name, label);
    this.muted.hidden = isScreen || participant.isMicrophoneEnabled;
    this.root.dataset['speaking'] = String(!isScreen && participant.isSpeaking);
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
  }

  private detach(): void {
    if (this.video) this.track?.detach(this.video);
    this.video?.remove();
    this.video = null;
    this.track = null;
  }
}

/** Up to two letters; by code point, since a name may begin with any script or an emoji. */
function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const first = (word: string | undefined) => Array.from(word ?? '')[0] ?? '';
  const letters = first(words[0]) + (words.length > 1 ? first(words.at(-1)) : '');
  return letters.toUpperCase() || '?';
}
