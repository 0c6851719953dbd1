// What the decoders of the server's data messages share: JSON, checked field by field.

export type Fields = Partial<Record<string, unknown>>;

/** The fields of a message; null for anything that is no JSON object. */
export function decodeFields(payload: Uint8Array): Fields | null {
  try {
    return fieldsOf(JSON.parse(new TextDecoder().decode(payload)));
  } catch {
    return null;
  }
}

export function fieldsOf(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}

/** A whole number that is not negative. */
export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** The same, or none. */
export function isCountOrNull(value: unknown): value is number | null {
  return value === null || isCount(value);
}

export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** The known word that this is, if any. */
export function wordOf<T>(words: readonly T[], value: unknown): T | undefined {
  return words.find((word) => word === value);
}
