// Recording: who is recorded for what, who agreed, and what the page says back.
import { decodeFields, fieldsOf, isCountOrNull, isText, wordOf } from './fields';

/** From the server on change and every 5 s; to the server when an expert starts or stops a recording. */
export const RECORDING_TOPIC = 'beistand.recording';
/** To the server: somebody agrees to be recorded, or does not. */
export const CONSENT_TOPIC = 'beistand.consent';

/**
 * The version of what the page says of recordings (`recording/words.ts` and the dialog). It is kept with each consent as
 * evidence of what was read: whoever changes those words gives this a new number.
 */
export const WORDING = 'beistand-3';

const MODES = ['off', 'on_request', 'always'] as const;
const PURPOSES = ['shared', 'qa'] as const;
const CONSENTS = ['given', 'refused', 'withdrawn', null] as const;

export type Purpose = (typeof PURPOSES)[number];
/** Null: not answered. */
export type ConsentState = (typeof CONSENTS)[number];

export interface PurposeState {
  purpose: Purpose;
  /** It is asked for. */
  requested: boolean;
  /** Somebody is recorded now. */
  active: boolean;
  /** Deleted after so many hours; null: kept. */
  retention_h: number | null;
  /** Why it cannot go on; null: it can. */
  failed: string | null;
}

export interface RecordedOf {
  identity: string;
  /** Never recorded. */
  minor: boolean;
  /** Publishes something that is encrypted end to end, which cannot be recorded. */
  encrypted: boolean;
  consent: Record<Purpose, ConsentState>;
  /** Recorded now, for these. */
  recorded: Purpose[];
}

export interface RecordingMessage {
  mode: (typeof MODES)[number];
  /** Those of the session's policy. */
  purposes: PurposeState[];
  participants: RecordedOf[];
}

/** Null for anything that is not a recording message: nobody may be told wrongly whether they are recorded. */
export function decodeRecording(payload: Uint8Array): RecordingMessage | null {
  const fields = decodeFields(payload);
  const mode = wordOf(MODES, fields?.['mode']);
  const purposes = listOf(fields?.['purposes'], purposeState);
  const participants = listOf(fields?.['participants'], recordedOf);
  return mode && purposes && participants ? { mode, purposes, participants } : null;
}

export function encodeConsent(purpose: Purpose, given: boolean): Uint8Array<ArrayBuffer> {
  return encode({ purpose, given, wording: WORDING });
}

export function encodeRequest(purpose: Purpose, action: 'start' | 'stop'): Uint8Array<ArrayBuffer> {
  return encode({ action, purpose });
}

/** The purposes that a participant's attribute `recording` names. */
export function purposesIn(attribute: string | undefined): Purpose[] {
  const words = (attribute ?? '').split(',');
  return PURPOSES.filter((purpose) => words.includes(purpose));
}

export function purposeOf(value: unknown): Purpose | undefined {
  return wordOf(PURPOSES, value);
}

function purposeState(value: unknown): PurposeState | null {
  const fields = fieldsOf(value);
  const purpose = purposeOf(fields?.['purpose']);
  const { requested, active, retention_h, failed } = fields ?? {};
  if (!purpose || typeof requested !== 'boolean' || typeof active !== 'boolean') return null;
  if (!isCountOrNull(retention_h) || (failed !== null && !isText(failed))) return null;
  return { purpose, requested, active, retention_h, failed };
}

function recordedOf(value: unknown): RecordedOf | null {
  const fields = fieldsOf(value);
  const { identity, minor, encrypted } = fields ?? {};
  const consent = consentsOf(fields?.['consent']);
  const recorded = listOf(fields?.['recorded'], (word) => purposeOf(word) ?? null);
  if (!isText(identity) || typeof minor !== 'boolean' || typeof encrypted !== 'boolean') return null;
  return consent && recorded ? { identity, minor, encrypted, consent, recorded } : null;
}

/** A purpose that is not named was not answered. */
function consentsOf(value: unknown): Record<Purpose, ConsentState> | null {
  const fields = fieldsOf(value);
  if (!fields) return null;
  const shared = wordOf(CONSENTS, fields['shared'] ?? null);
  const qa = wordOf(CONSENTS, fields['qa'] ?? null);
  return shared === undefined || qa === undefined ? null : { shared, qa };
}

/** The list with each of its parts understood; null if it is none, or one is not. */
function listOf<T>(value: unknown, decode: (part: unknown) => T | null): T[] | null {
  if (!Array.isArray(value)) return null;
  const parts = value.map(decode).filter((part) => part !== null);
  return parts.length === value.length ? parts : null;
}

function encode(message: object): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(message));
}
