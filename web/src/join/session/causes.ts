// What is to be noticed, as a function of what holds now: nobody has to remember to end a notice.
import type { ClockMessage } from '../messages/clock';
import type { FloorOf } from '../messages/floor';
import type { RefusedMessage } from '../messages/refused';
import type { WarningMessage } from '../messages/warning';

export interface Notice {
  /** The same for as long as it is the same notice. */
  key: string;
  text: string;
  /** How long it is shown at most, while its cause lasts. */
  forMs: number;
}

/** What notices are about. */
export interface Facts {
  /** What we were told holds only while we would hear of its end. */
  connected: boolean;
  clock: ClockMessage | null;
  floors: ReadonlyMap<string, FloorOf>;
  /** What was warned of on this connection. */
  warnings: readonly WarningMessage[];
  /** Who closed the prompt "still there?" with their answers, if it was not us. */
  confirmedBy: readonly string[];
  /** What we asked for and did not get, as it still stands. */
  refused: readonly (RefusedMessage & { number: number })[];
  isHere(identity: string): boolean;
  /** "you" for ourselves. */
  nameOf(identity: string): string;
}

/** The clock may be behind the warning by as much. */
const CLOCK_BEHIND_MS = 5_000;
/** A warning of time is news for so long of that time; the clock shows what is left all the while. */
const NEWS_MS = 30_000;

const FOR_MS = { refused: 15_000, answered: 10_000, time: 30_000, floor: 15_000, preflight: 30_000 } as const;

/** The notices that have a cause now; what matters most comes first. */
export function noticesOf(facts: Facts): Notice[] {
  if (!facts.connected) return [];
  return [...refusals(facts), ...answers(facts), ...times(facts), ...floors(facts), ...preflights(facts)];
}

function refusals({ refused }: Facts): Notice[] {
  return refused.map(({ number, text }) => ({ key: `refused ${number}`, text: `The server refused: ${text}`, forMs: FOR_MS.refused }));
}

function answers({ confirmedBy, clock, nameOf }: Facts): Notice[] {
  const stands = clock?.state === 'ended' || (clock?.state === 'paused' && clock.reason === 'presence_unconfirmed');
  if (confirmedBy.length === 0 || stands) return [];
  return [{ key: 'answered', text: `${confirmedBy.map(nameOf).join(', ')} confirmed: the session goes on.`, forMs: FOR_MS.answered }];
}

function times({ clock, warnings }: Facts): Notice[] {
  if (!clock || clock.state === 'ended') return [];
  const left = { quota: clock.quota_left_ms, duration: clock.time_left_ms };
  return warnings.flatMap(({ kind, left_s }) => {
    if ((kind !== 'quota' && kind !== 'duration') || left_s === null) return [];
    const mark = left_s * 1000;
    const now = left[kind];
    if (now === null || now > mark + CLOCK_BEHIND_MS || now <= mark - NEWS_MS) return [];
    return [{ key: `${kind} ${left_s}`, text: timeInWords(kind, left_s), forMs: FOR_MS.time }];
  });
}

/** "Less than", since what was true at the mark is to be true while it stands. */
function timeInWords(kind: 'quota' | 'duration', left_s: number): string {
  if (kind === 'duration') return `The session ends in less than ${span(left_s)}.`;
  return left_s === 0 ? 'The prepaid time is used up.' : `The prepaid time is used up in less than ${span(left_s)}.`;
}

function span(left_s: number): string {
  if (left_s < 60 || left_s % 60 !== 0) return left_s === 1 ? '1 second' : `${left_s} seconds`;
  return left_s === 60 ? '1 minute' : `${left_s / 60} minutes`;
}

const WAY = { up: 'for sending', down: 'for receiving' };

function floors({ floors, isHere, nameOf }: Facts): Notice[] {
  const breached = [...floors.values()].filter(({ identity }) => isHere(identity)).flatMap((floor) =>
    (['up', 'down'] as const)
      .filter((direction) => floor[direction].state === 'breached')
      .map((direction) => ({ identity: floor.identity, direction })),
  );
  return breached.map(({ identity, direction }) => ({
    key: `floor ${direction} ${identity}`,
    text: `${whose(nameOf(identity))} is below the promised minimum ${WAY[direction]}.`,
    forMs: FOR_MS.floor,
  }));
}

/** Until the connection shows by itself that it will do. */
function preflights({ warnings, floors, isHere, nameOf }: Facts): Notice[] {
  return warnings.flatMap(({ kind, identity }) => {
    if (kind !== 'preflight' || identity === null || !isHere(identity)) return [];
    const floor = floors.get(identity);
    if (floor?.up.state === 'met' && floor.down.state === 'met') return [];
    const text = `${whose(nameOf(identity))} was not found good enough before joining. Sound and picture may suffer.`;
    return [{ key: `preflight ${identity}`, text, forMs: FOR_MS.preflight }];
  });
}

function whose(name: string): string {
  return name === 'you' ? 'Your connection' : `The connection of ${name}`;
}
