// The recordings of a session as the node lists them, and why it does not.
import { apiBase } from '../link/api';
import { fieldsOf, isCount, isText, wordOf, type Fields } from '../messages/fields';
import { purposeOf, type Purpose } from '../messages/recording';

const STATES = ['recording', 'stopped', 'finishing', 'ready', 'failed', 'deleted'] as const;

export interface RecordedFile {
  name: string;
  /** Signed, and good for an hour. */
  url: string;
  bytes: number | null;
  /** Whose, where it is one participant's. */
  identity: string | null;
}

export interface RecordingOf {
  id: string;
  purpose: Purpose;
  state: (typeof STATES)[number];
  /** How far the making of the files is, in thousandths; null: not begun, or over. */
  progress_permille: number | null;
  duration_ms: number | null;
  /** When it is deleted; null: it is kept. */
  expires_unix_ms: number | null;
  /** Why it failed. */
  reason: string | null;
  files: RecordedFile[];
}

/** Why there is no list: in words, and whether asking again may help. */
export class ListError extends Error {
  constructor(
    words: string,
    readonly passes: boolean,
  ) {
    super(words);
  }
}

/** What the node has of a session, as far as this token may see it. Rejects with a `ListError` alone. */
export async function listRecordings(serverUrl: string, token: string, session: string, signal: AbortSignal): Promise<RecordingOf[]> {
  const base = apiBase(serverUrl);
  const get = (path: string) => ask(new URL(path, base), token, signal);
  const list = decodeList(await get(`v1/recordings?${new URLSearchParams({ session })}`));
  if (!list) throw new ListError(UNREADABLE, false);
  // The list is in short; files and progress come with each recording alone.
  return Promise.all(list.map(async (one) => (hasMore(one) ? recordingOf(await get(`v1/recordings/${one.id}`), base) ?? one : one)));
}

async function ask(url: URL, token: string, signal: AbortSignal): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(url, { headers: { Authorization: `Bearer ${token}` }, cache: 'no-store', signal });
    if (response.ok) return await response.json();
  } catch (error) {
    if (error instanceof SyntaxError) throw new ListError(UNREADABLE, false);
    throw new ListError('The server cannot be reached. Check your internet connection.', true);
  }
  throw refusal(response.status);
}

function hasMore({ state }: RecordingOf): boolean {
  return state === 'finishing' || state === 'ready';
}

const UNREADABLE = "The server's answer cannot be read by this page. Reload it to get the newest one.";

const REFUSALS: Record<number, string> = {
  401: 'Your link has expired, so the recordings are not shown any more. Ask for a new link.',
  403: 'Your link does not let you see the recordings of this session.',
  404: 'The server knows no recordings of this session.',
};

function refusal(status: number): ListError {
  const words = REFUSALS[status];
  // Too many requests, and whatever is wrong on the server's side, may pass.
  if (!words) return new ListError(`The server cannot show the recordings now (${status}).`, status === 429 || status >= 500);
  return new ListError(words, false);
}

/** Null for anything that is no list of recordings. */
function decodeList(body: unknown): RecordingOf[] | null {
  const list = fieldsOf(body)?.['recordings'];
  if (!Array.isArray(list)) return null;
  const recordings = list.map((one) => recordingOf(one, document.baseURI)).filter((one) => one !== null);
  return recordings.length === list.length ? recordings : null;
}

function recordingOf(value: unknown, base: string): RecordingOf | null {
  const fields = fieldsOf(value);
  const state = wordOf(STATES, fields?.['state']);
  const purpose = purposeOf(fields?.['purpose']);
  const id = fields?.['id'];
  if (!fields || !state || !purpose || !isText(id)) return null;
  return {
    id,
    purpose,
    state,
    progress_permille: permilleOf(fieldsOf(fields['progress'])),
    duration_ms: countOf(fields, 'duration_ms'),
    expires_unix_ms: countOf(fields, 'expires_unix_ms'),
    reason: textOf(fields, 'reason'),
    files: filesOf(fields['files'], base),
  };
}

function permilleOf(progress: Fields | null): number | null {
  const done = progress && countOf(progress, 'done_bytes');
  const all = progress && countOf(progress, 'all_bytes');
  return done === null || !all ? null : Math.min(1000, Math.floor((1000 * done) / all));
}

function filesOf(value: unknown, base: string): RecordedFile[] {
  const files = Array.isArray(value) ? value : [];
  return files.map((one) => fileOf(one, base)).filter((file) => file !== null);
}

function fileOf(value: unknown, base: string): RecordedFile | null {
  const fields = fieldsOf(value);
  const { name, url } = fields ?? {};
  if (!fields || !isText(name) || !isText(url)) return null;
  // The node does not know the prefix of a proxy before it: from there its address goes on.
  const path = url.replace(/^\/+/, '');
  if (!URL.canParse(path, base)) return null;
  const address = new URL(path, base);
  // A link from elsewhere may be no script.
  if (address.protocol !== 'https:' && address.protocol !== 'http:') return null;
  return { name, url: address.href, bytes: countOf(fields, 'bytes'), identity: textOf(fields, 'identity') };
}

/** What an answer leaves out, or says in a way that we do not know, is unknown. */
function countOf(fields: Fields, name: string): number | null {
  const value = fields[name];
  return isCount(value) ? value : null;
}

function textOf(fields: Fields, name: string): string | null {
  const value = fields[name];
  return isText(value) ? value : null;
}
