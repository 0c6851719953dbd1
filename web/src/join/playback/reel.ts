// One recording on the last panel: how far it is, its picture, what to play of it, and the link to keep it.
import { make, note, say } from '../../dom';
import { duration } from '../../duration';
import type { RecordedFile, RecordingOf } from './recordings';
import { TITLE } from '../recording/words';

const PLAYABLE = /^(session|participant-\d+)\.(webm|mkv|mp4)$/;
const POSTER = 'poster.webp';

export class Reel {
  readonly root = make('article', 'reel');
  private readonly title = make('h4', 'reel-title');
  private readonly state = make('p');
  private readonly progress = make('progress');
  private readonly choice = make('label', 'field');
  private readonly select = make('select');
  private readonly hint = make('p', 'muted', HINT);
  private readonly video = make('video');
  private readonly problem = make('p', 'notice');
  private readonly download = make('a', 'button');
  private readonly kept = make('p', 'muted');
  private files: RecordedFile[] = [];
  /** What is in the player. */
  private loaded: string | null = null;
  /** A link that fails may have run out: fresh ones are asked for, once for each time that something played. */
  private renewing = false;
  private renewed = false;

  constructor(private readonly onStale: () => void) {
    this.root.dataset['testid'] = 'recording-item';
    this.state.dataset['testid'] = 'recording-item-state';
    this.state.setAttribute('role', 'status');
    this.problem.setAttribute('role', 'alert');
    this.select.dataset['testid'] = 'recording-file';
    this.choice.append(make('span', '', 'What to watch'), this.select);
    this.select.addEventListener('change', () => this.choose());
    this.prepareVideo();
    this.download.dataset['testid'] = 'recording-download';
    this.root.append(this.title, this.state, this.progress, this.choice, this.hint, this.video, this.problem, this.download, this.kept);
    this.problem.hidden = true;
  }

  show(recording: RecordingOf): void {
    const { purpose, state, progress_permille, expires_unix_ms } = recording;
    this.root.dataset['state'] = state;
    this.root.setAttribute('aria-label', `Recording: ${TITLE[purpose]}`);
    say(this.title, TITLE[purpose]);
    note(this.state, stateInWords(recording));
    this.progress.hidden = state !== 'finishing';
    this.progress.max = 1000;
    this.progress.setAttribute('aria-label', 'How far it is finished');
    if (progress_permille === null) this.progress.removeAttribute('value');
    else this.progress.value = Math.min(1000, progress_permille);
    this.files = state === 'ready' ? recording.files.filter(({ name }) => PLAYABLE.test(name)).sort(sessionFirst) : [];
    this.drawPlayer(recording);
    note(this.kept, state === 'ready' ? keptInWords(expires_unix_ms) : null);
  }

  remove(): void {
    this.unload();
    (this.root.parentElement ?? this.root).remove();
  }

  private prepareVideo(): void {
    const { video } = this;
    video.controls = true;
    video.preload = 'metadata';
    video.playsInline = true;
    video.dataset['testid'] = 'recording-video';
    video.addEventListener('error', () => this.onError());
    video.addEventListener('playing', () => (this.renewed = false));
  }

  private drawPlayer({ purpose, files }: RecordingOf): void {
    const isThere = this.files.length > 0;
    this.choice.hidden = this.files.length < 2;
    this.hint.hidden = true;
    this.video.hidden = !isThere;
    this.download.hidden = !isThere;
    if (!isThere) return this.unload();
    const wanted = this.files.some(({ name }) => name === this.select.value) ? this.select.value : (this.files[0]?.name ?? '');
    // Rebuilt only when it differs: the list may be open.
    if ([...this.select.options].map(({ value }) => value).join() !== this.files.map(({ name }) => name).join()) {
      this.select.replaceChildren(...this.files.map((file) => new Option(fileInWords(file), file.name)));
      this.select.value = wanted;
    }
    const poster = files.find(({ name }) => name === POSTER)?.url;
    // Once is enough: each list has a link of its own for the same picture.
    if (poster && !this.video.poster) this.video.poster = poster;
    this.video.setAttribute('aria-label', `Recording ${TITLE[purpose].toLowerCase()}`);
    this.choose();
  }

  /** Puts the chosen file into the player, unless it is there already; the link to keep it is always the newest. */
  private choose(): void {
    const file = this.files.find(({ name }) => name === this.select.value);
    if (!file) return;
    this.hint.hidden = this.files.length < 3 || !isSession(file);
    this.download.href = `${file.url}&download=1`;
    this.download.download = file.name;
    say(this.download, file.bytes === null ? 'Download' : `Download (${size(file.bytes)})`);
    const isRenewal = this.renewing && this.loaded === file.name;
    if (this.loaded === file.name && !this.renewing) return;
    this.renewing = false;
    if (!isRenewal) this.renewed = false;
    const at = isRenewal ? this.video.currentTime : 0;
    this.loaded = file.name;
    note(this.problem, null);
    this.video.src = file.url;
    if (at > 0) this.video.currentTime = at;
  }

  private unload(): void {
    if (this.loaded === null) return;
    this.loaded = null;
    this.video.pause();
    this.video.removeAttribute('src');
    this.video.load();
  }

  private onError(): void {
    if (this.loaded === null || this.renewing) return;
    if (this.renewed) return note(this.problem, 'This browser cannot play this file. Download it to watch it elsewhere.');
    this.renewed = true;
    this.renewing = true;
    this.onStale();
  }
}

/** The file of the session has a track for each picture and sound; a browser plays the first of each. */
const HINT = 'Here you see and hear one participant of it: choose another one by name. A player such as VLC plays all of them.';

function isSession({ name }: RecordedFile): boolean {
  return name.startsWith('session.');
}

function sessionFirst(a: RecordedFile, b: RecordedFile): number {
  const rank = (file: RecordedFile) => (isSession(file) ? 0 : Number(/\d+/.exec(file.name)?.[0] ?? 0));
  return rank(a) - rank(b);
}

function fileInWords(file: RecordedFile): string {
  if (isSession(file)) return 'The whole session';
  return file.identity ?? `Participant ${/\d+/.exec(file.name)?.[0] ?? ''}`;
}

function stateInWords({ state, duration_ms, reason, progress_permille }: RecordingOf): string | null {
  switch (state) {
    case 'recording':
    case 'stopped':
      return 'The session goes on without you. The recording can be watched soon after its end.';
    case 'finishing':
      return progress_permille === null ? 'The recording is being finished…' : `The recording is being finished: ${Math.floor(progress_permille / 10)} %`;
    case 'ready':
      return duration_ms === null ? 'Ready to watch.' : `Ready to watch: ${duration(duration_ms)} long.`;
    case 'failed':
      return reason === null ? 'The recording failed.' : `The recording failed: ${reason}`;
    case 'deleted':
      return 'The recording was deleted.';
  }
}

function keptInWords(expires_unix_ms: number | null): string {
  if (expires_unix_ms === null) return 'It is kept until somebody deletes it.';
  const when = new Date(expires_unix_ms).toLocaleString('en', { dateStyle: 'long', timeStyle: 'short' });
  return `It will be deleted on ${when}.`;
}

function size(bytes: number): string {
  return bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
