// The server could not do what this client asked for by a data message, and says why.
import { decodeFields, isText } from './fields';

/** To the one who asked, reliable, sent by the server itself. */
export const REFUSED_TOPIC = 'beistand.refused';

export interface RefusedMessage {
  /** The topic of what was asked for. */
  topic: string;
  /** A plain sentence for people. */
  text: string;
}

/** Null for anything that is not a refusal. */
export function decodeRefused(payload: Uint8Array): RefusedMessage | null {
  const { topic, text } = decodeFields(payload) ?? {};
  return isText(topic) && isText(text) ? { topic, text } : null;
}
