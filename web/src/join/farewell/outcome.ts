// How a session stands that we are no longer in: what the node has on disk of it, asked with our own token.
import { apiBase } from '../link/api';
import { fieldsOf, isCount, isText, wordOf } from '../messages/fields';

const STATES = ['scheduled', 'waiting', 'live', 'paused', 'ended'] as const;

export interface Outcome {
  state: (typeof STATES)[number];
  /** Why it is paused, or has ended. */
  reason: string | null;
  /** Whether it can be come back to. */
  goes_on: boolean;
  /** What is to be billed: final once it has ended. */
  billable_ms: number;
}

/** An end is known a few seconds after the last one left, at most; later ones are the others' to make. */
const ASK_AFTER_MS = [0, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

/** Tells how it stands each time that it is known, until it is over for good, nobody may know, or `signal` ends it. */
export async function follow(serverUrl: string, token: string, session: string, tell: (outcome: Outcome) => void, signal: AbortSignal): Promise<void> {
  const url = new URL(`v1/sessions/${encodeURIComponent(session)}/clock`, apiBase(serverUrl));
  for (let asked = 0; ; asked += 1) {
    await pause(ASK_AFTER_MS[asked] ?? LONGEST_MS, signal);
    if (signal.aborted) return;
    const answer = await ask(url, token, signal);
    if (signal.aborted || answer === 'never') return;
    if (answer === 'later') continue;
    tell(answer);
    if (answer.state === 'ended') return;
  }
}

const LONGEST_MS = 60_000;

async function ask(url: URL, token: string, signal: AbortSignal): Promise<Outcome | 'later' | 'never'> {
  try {
    const response = await fetch(url, { headers: { Authorization: `Bearer ${token}` }, cache: 'no-store', signal });
    if (response.ok) return decodeOutcome(await response.json()) ?? 'never';
    return response.status === 429 || response.status >= 500 ? 'later' : 'never';
  } catch (error) {
    return error instanceof SyntaxError ? 'never' : 'later';
  }
}

/** Null for anything else: no wrong number may look like a bill. */
function decodeOutcome(body: unknown): Outcome | null {
  const fields = fieldsOf(body);
  const state = wordOf(STATES, fields?.['state']);
  const { reason, goes_on, billable_ms } = fields ?? {};
  if (!state || typeof goes_on !== 'boolean' || !isCount(billable_ms)) return null;
  return { state, reason: isText(reason) ? reason : null, goes_on, billable_ms };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
