// Warnings of the server: time that runs out, and connections below the promised minimum.
import { decodeFields, isCountOrNull, isText, wordOf } from './fields';

export const WARNING_TOPIC = 'beistand.warning';

const KINDS = ['duration', 'quota', 'presence', 'floor', 'preflight'] as const;
const DIRECTIONS = ['up', 'down', null] as const;

export interface WarningMessage {
  kind: (typeof KINDS)[number];
  left_s: number | null;
  identity: string | null;
  direction: (typeof DIRECTIONS)[number];
}

/** Null for anything that is not a warning. */
export function decodeWarning(payload: Uint8Array): WarningMessage | null {
  const fields = decodeFields(payload);
  const kind = wordOf(KINDS, fields?.['kind']);
  const direction = wordOf(DIRECTIONS, fields?.['direction']);
  const { left_s, identity } = fields ?? {};
  if (!kind || direction === undefined || !isCountOrNull(left_s)) return null;
  if (identity !== null && !isText(identity)) return null;
  return { kind, left_s, identity, direction };
}

/** `whose` is "Your connection" or that of somebody else. */
export function warningInWords({ kind, left_s, direction }: WarningMessage, whose: string): string {
  switch (kind) {
    case 'duration':
      return `The session ends in ${span(left_s)}.`;
    case 'quota':
      return left_s === 0 ? 'The prepaid time is used up.' : `The prepaid time is used up in ${span(left_s)}.`;
    case 'presence':
      return `Somebody has to confirm within ${span(left_s)} that you are still there.`;
    case 'floor':
      return `${whose} is below the promised minimum${direction ? WAY[direction] : ''}.`;
    case 'preflight':
      return `${whose} was not found good enough before joining. Sound and picture may suffer.`;
  }
}

const WAY = { up: ' for sending', down: ' for receiving' };

function span(left_s: number | null): string {
  if (left_s === null) return 'a short time';
  if (left_s < 60 || left_s % 60 !== 0) return left_s === 1 ? '1 second' : `${left_s} seconds`;
  return left_s === 60 ? '1 minute' : `${left_s / 60} minutes`;
}
