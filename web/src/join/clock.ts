// The billed clock: shows what the server said last, and never counts by itself.

/** Once a second, a reliable packet of this topic, sent by the server itself. */
export const CLOCK_TOPIC = 'beistand.clock';

const STATES = ['scheduled', 'waiting', 'live', 'paused', 'ended'] as const;

export interface ClockMessage {
  session: string;
  state: (typeof STATES)[number];
  reason: string | null;
  accrued_ms: number;
}

/** Null for anything that is not a clock message: no wrong number may look like a bill. */
export function decodeClock(payload: Uint8Array): ClockMessage | null {
  let value: Partial<Record<keyof ClockMessage, unknown>> | null;
  try {
    value = JSON.parse(new TextDecoder().decode(payload));
  } catch {
    return null;
  }
  const state = STATES.find((known) => known === value?.state);
  const accrued = value?.accrued_ms;
  if (!value || !state || typeof accrued !== 'number' || !Number.isSafeInteger(accrued) || accrued < 0) return null;
  return {
    session: String(value.session ?? ''),
    state,
    reason: typeof value.reason === 'string' ? value.reason : null,
    accrued_ms: accrued,
  };
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
  max_duration: 'Ended: the longest duration is reached',
  presence_timeout: 'Ended: nobody confirmed being still there',
  floor_breached: 'Ended: the connection stayed below the promised minimum',
  quota_exhausted: 'Ended: the prepaid time is used up',
  no_show: 'Ended: the other side did not come',
  abandoned: 'Ended: one side stayed away',
  node_lost: 'Ended: the server failed',
  node_drained: 'Ended: the server was taken out of service',
};
