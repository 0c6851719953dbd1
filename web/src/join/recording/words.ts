// What the page says of recordings. These words are what people agree to: a change of their meaning is a new `WORDING`.
import type { ConsentState, Purpose, PurposeState, RecordedOf } from '../messages/recording';

/** What a recording is for, as it ends a sentence. */
export const FOR: Record<Purpose, string> = {
  shared: 'for the expert',
  qa: 'for quality assurance',
};

/** The same, at the head of a question or a recording. */
export const TITLE: Record<Purpose, string> = {
  shared: 'For the expert',
  qa: 'For quality assurance',
};

const WATCHED: Record<Purpose, string> = {
  shared: "Only the expert and the provider's team can watch and download it.",
  qa: "Only the provider's team watches it.",
};

/** Who may watch it, and for how long. */
export function promiseInWords({ purpose, retention_h }: PurposeState): string {
  const kept = retention_h === null ? 'It is kept until somebody deletes it.' : `It is deleted after ${hours(retention_h)}.`;
  return `${WATCHED[purpose]} ${kept}`;
}

/** Short times stay in hours: "72 hours" is a promise, "3 days" an estimate. */
function hours(count: number): string {
  if (count === 1) return '1 hour';
  return count > 96 && count % 24 === 0 ? `${count / 24} days` : `${count} hours`;
}

/** Who is recorded now, and for what; null: nobody is. Who is recorded for the same things is named together. */
export function recordedInWords(people: { name: string; recorded: Purpose[] }[]): string | null {
  const groups = new Map<string, string[]>();
  for (const { name, recorded } of people) {
    const what = list(recorded.map((purpose) => FOR[purpose]));
    if (what) groups.set(what, [...(groups.get(what) ?? []), name]);
  }
  const sentences = [...groups].map(([what, names]) => `${capital(list(youFirst(names)))} ${verb(names)} being recorded ${what}.`);
  return sentences.length > 0 ? sentences.join(' ') : null;
}

function verb(names: string[]): string {
  return names.length === 1 && names[0] !== 'you' ? 'is' : 'are';
}

function youFirst(names: string[]): string[] {
  return [...names].sort((a, b) => Number(b === 'you') - Number(a === 'you'));
}

/** How a recording stands, for who steers it. */
export function stepInWords({ requested, active, failed }: PurposeState): string {
  if (failed !== null) return `Failed: ${failed}`;
  if (active) return 'Recording now';
  return requested ? 'Waiting until somebody agrees' : 'Not recording';
}

/** How somebody stands to a recording, for who steers it. */
export function consentInWords(name: string, { minor, encrypted, consent, recorded }: RecordedOf, purpose: Purpose): string {
  const isYou = name === 'you';
  const are = isYou ? 'are' : 'is';
  if (minor) return `${name} ${are} a minor and never recorded`;
  if (recorded.includes(purpose)) return `${name} ${are} being recorded`;
  if (encrypted) return `${name} cannot be recorded (end-to-end encrypted)`;
  return `${name} ${said(consent[purpose], isYou ? 'have' : 'has')}`;
}

function said(consent: ConsentState, has: string): string {
  switch (consent) {
    case 'given':
      return `${has} agreed`;
    case 'refused':
      return `${has} declined`;
    case 'withdrawn':
      return `${has} withdrawn`;
    case null:
      return `${has} not answered`;
  }
}

/** `a`, `a and b`, `a, b and c`. */
export function list(parts: string[]): string {
  return parts.length < 2 ? (parts[0] ?? '') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}

export function capital(text: string): string {
  const [first = '', ...rest] = text;
  return first.toUpperCase() + rest.join('');
}
