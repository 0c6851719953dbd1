// The billed clock: shows what the server said last, and never counts by itself.
import { duration } from '../../duration';
import { decodeFields, isCount, isCountOrNull, isText, wordOf } from './fields';

/** Once a second, a reliable packet of this topic, sent by the server itself. */
export const CLOCK_TOPIC = 'beistand.clock';

const STATES = ['scheduled', 'waiting', 'live', 'paused', 'ended'] as const;

export interface ClockMessage {
  session: string;
  state: (typeof STATES)[number];
  reason: string | null;
  accrued_ms: number;
  /** Prepaid time left; null: there is no quota. */
  quota_left_ms: number | null;
  /** Until the hard end; null before the session was first live. */
  time_left_ms: number | null;
}

/** The hard end is hours away at first: it is shown when it begins to matter. */
const SHOW_END_MS = 15 * 60_000;
/** From here on what is left is shown as urgent. */
const URGENT_MS = 5 * 60_000;

/** Null for anything that is not a clock message: no wrong number may look like a bill. */
export function decodeClock(payload: Uint8Array): ClockMessage | null {
  const fields = decodeFields(payload);
  const state = wordOf(STATES, fields?.['state']);
  // A node that knows neither quota nor duration leaves them out.
  const { session, reason, accrued_ms, quota_left_ms = null, time_left_ms = null } = fields ?? {};
  if (!isText(session) || (reason !== null && !isText(reason))) return null;
  if (!state || !isCount(accrued_ms) || !isCountOrNull(quota_left_ms) || !isCountOrNull(time_left_ms)) return null;
  return { session, state, reason, accrued_ms, quota_left_ms, time_left_ms };
}

/** What is left of the prepaid time and of the session, where that matters; null where not. */
export function leftInWords({ state, quota_left_ms, time_left_ms }: ClockMessage): string | null {
  if (state === 'ended') return null;
  const parts: string[] = [];
  if (quota_left_ms !== null) parts.push(`Prepaid: ${duration(quota_left_ms)} left`);
  if (time_left_ms !== null && time_left_ms <= SHOW_END_MS) parts.push(`Ends in ${duration(time_left_ms)}`);
  return parts.length > 0 ? parts.join(' · ') : null;
}

export function isUrgent({ quota_left_ms, time_left_ms }: ClockMessage): boolean {
  return Math.min(quota_left_ms ?? Infinity, time_left_ms ?? Infinity) <= URGENT_MS;
}

/** Who looks at the clock, which decides how a state reads. */
export interface Onlooker {
  role: string;
  /** Whether somebody of the other role is in the room. */
  otherSideHere: boolean;
}

export function stateInWords(clock: ClockMessage, onlooker: Onlooker): string {
  switch (clock.state) {
    case 'scheduled':
      return 'Not started yet';
    case 'waiting':
      return waiting(onlooker);
    case 'live':
      return 'Live';
    case 'paused':
      return pause(clock.reason, onlooker.role);
    case 'ended':
      return ENDED[clock.reason ?? ''] ?? 'Ended';
  }
}

function waiting({ role, otherSideHere }: Onlooker): string {
  // Both sides are here, but the expert has sent neither picture nor sound yet: say what the clock waits for.
  if (role === 'expert') return otherSideHere ? 'Waiting for your camera or microphone' : 'Waiting for the customer';
  if (role === 'customer') return otherSideHere ? "Waiting for the expert's camera or microphone" : 'Waiting for the expert';
  return 'Waiting for the other side';
}

function pause(reason: string | null, role: string): string {
  if (reason === 'reconnecting') {
    // Whoever reads this is connected, so the side that is away is the other one.
    const away = { expert: 'the customer', customer: 'the expert' }[role] ?? 'the other side';
    return `Paused: ${away} is reconnecting`;
  }
  return PAUSED[reason ?? ''] ?? 'Paused';
}

const PAUSED: Record<string, string> = {
  by_request: 'Paused on request',
  quota_exhausted: 'Paused: the prepaid time is used up',
  presence_unconfirmed: 'Paused: nobody confirmed being still there',
  expert_away: 'Paused: the expert is away',
  customer_away: 'Paused: the customer is away',
  below_floor: 'Paused: the connection is below the promised minimum',
};

const ENDED: Record<string, string> = {
  ended_by_api: 'Ended: it was closed by its organiser',
  max_duration: 'Ended: the longest duration is reached',
  presence_timeout: 'Ended: nobody confirmed being still there',
  floor_breached: 'Ended: the connection stayed below the promised minimum',
  quota_exhausted: 'Ended: the prepaid time is used up',
  no_show: 'Ended: the other side did not come',
  abandoned: 'Ended: one side stayed away',
  node_lost: 'Ended: the server failed',
  node_drained: 'Ended: the server was taken out of service',
};
