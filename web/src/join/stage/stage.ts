// The pictures and sounds of the others: the stage is made to agree with the room after every change.
import { ConnectionState, Track, type RemoteParticipant, type RemoteTrack, type Room } from 'livekit-client';
import { make, need, say } from '../../dom';
import type { FloorOf } from '../messages/floor';
import { Tile } from './tile';

interface Shown {
  participant: RemoteParticipant;
  source: Track.Source.Camera | Track.Source.ScreenShare;
}

export class Stage {
  private readonly root = need('stage', HTMLElement);
  private readonly empty = need('stage-empty', HTMLElement);
  private readonly sounds = need('sounds', HTMLElement);
  private readonly tiles = new Map<string, Tile>();
  /** Somebody else was here before. */
  private hadCompany = false;
  private readonly audio = new Map<RemoteTrack, HTMLMediaElement>();

  sync(room: Room, floors: ReadonlyMap<string, FloorOf>, recorded: ReadonlyMap<string, unknown>): void {
    this.syncTiles(room, floors, recorded);
    this.syncSounds(room);
  }

  /** Looks whether the pictures move on; true: for one of them that changed. */
  look(connected: boolean): boolean {
    return [...this.tiles.values()].map((tile) => tile.look(connected)).includes(true);
  }

  clear(): void {
    for (const tile of this.tiles.values()) tile.remove();
    this.tiles.clear();
    for (const [track, element] of this.audio) drop(track, element);
    this.audio.clear();
  }

  private syncTiles(room: Room, floors: ReadonlyMap<string, FloorOf>, recorded: ReadonlyMap<string, unknown>): void {
    const wanted = new Map<string, Shown>();
    for (const participant of room.remoteParticipants.values()) {
      if (participant.getTrackPublication(Track.Source.ScreenShare)?.videoTrack) {
        wanted.set(`screen ${participant.sid}`, { participant, source: Track.Source.ScreenShare });
      }
      wanted.set(`camera ${participant.sid}`, { participant, source: Track.Source.Camera });
    }
    for (const [key, tile] of this.tiles) {
      if (wanted.has(key)) continue;
      tile.remove();
      this.tiles.delete(key);
    }
    for (const [key, { participant, source }] of wanted) {
      let tile = this.tiles.get(key);
      if (!tile) {
        tile = new Tile(source);
        this.tiles.set(key, tile);
        this.root.append(tile.root);
      }
      tile.show(participant, floors.get(participant.identity) ?? null, recorded.has(participant.identity));
    }
    this.root.dataset['layout'] = layout([...wanted.values()]);
    // CSS places the cameras beside a shared screen by their number.
    this.root.style.setProperty('--cameras', String(room.remoteParticipants.size));
    this.hadCompany ||= wanted.size > 0;
    say(this.empty, emptyInWords(room.state, this.hadCompany));
  }

  private syncSounds(room: Room): void {
    const wanted = new Map<RemoteTrack, string>();
    for (const participant of room.remoteParticipants.values()) {
      for (const publication of participant.audioTrackPublications.values()) {
        if (publication.track) wanted.set(publication.track as RemoteTrack, participant.identity);
      }
    }
    for (const [track, element] of this.audio) {
      if (wanted.has(track)) continue;
      drop(track, element);
      this.audio.delete(track);
    }
    for (const [track, identity] of wanted) {
      if (this.audio.has(track)) continue;
      const element = make('audio');
      element.autoplay = true;
      element.dataset['testid'] = 'remote-audio';
      element.dataset['identity'] = identity;
      this.sounds.append(element);
      track.attach(element);
      this.audio.set(track, element);
    }
  }
}

function emptyInWords(state: ConnectionState, hadCompany: boolean): string {
  if (state === ConnectionState.Connecting || state === ConnectionState.Disconnected) return 'Joining…';
  // Who is here we would not hear of now.
  if (state !== ConnectionState.Connected) return 'Reconnecting…';
  return hadCompany ? 'Nobody else is here.' : 'Nobody else is here yet.';
}

function layout(shown: Shown[]): 'empty' | 'one' | 'grid' | 'screen' {
  if (shown.length === 0) return 'empty';
  // Two shared screens at once are both worth the same room.
  if (shown.filter(({ source }) => source === Track.Source.ScreenShare).length === 1) return 'screen';
  return shown.length === 1 ? 'one' : 'grid';
}

function drop(track: RemoteTrack, element: HTMLMediaElement): void {
  track.detach(element);
  element.remove();
}
