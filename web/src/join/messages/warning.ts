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
