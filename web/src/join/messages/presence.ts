// The prompt "still there?": what the server says of it, and the answer.
import { decodeFields, isCountOrNull, isText, wordOf } from './fields';

/** From the server when a prompt opens, is answered, or closes; to the server with the answer. */
export const PRESENCE_TOPIC = 'beistand.presence';

const WHO = ['any', 'each'] as const;

export interface PresenceMessage {
  open: boolean;
  /** Whether one answer is enough, or each side must give one. */
  who: (typeof WHO)[number];
  left_ms: number | null;
  /** Identities of those who have answered. */
  confirmed: string[];
}

/** Null for anything that is not a presence message. */
export function decodePresence(payload: Uint8Array): PresenceMessage | null {
  const fields = decodeFields(payload);
  const who = wordOf(WHO, fields?.['who']);
  const { open, left_ms, confirmed } = fields ?? {};
  if (typeof open !== 'boolean' || !who || !isCountOrNull(left_ms)) return null;
  if (!Array.isArray(confirmed) || !confirmed.every(isText)) return null;
  return { open, who, left_ms, confirmed };
}

export function encodeAnswer(): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify({ confirm: true }));
}
