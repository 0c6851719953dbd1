// The promised minimum bandwidth, per participant and direction, as the server measures it.
import { make } from '../../dom';
import { rate } from '../../rate';
import { decodeFields, fieldsOf, isCount, isCountOrNull, isText, wordOf } from './fields';

/** On change and every 5 s, a reliable packet of this topic, sent by the server itself. */
export const FLOOR_TOPIC = 'beistand.floor';

const STATES = ['met', 'short', 'breached', 'unproven'] as const;
const LIMITS = ['uplink', 'downlink', 'source', 'request', 'policy', null] as const;

export interface FloorSide {
  state: (typeof STATES)[number];
  floor_bps: number;
  measured_bps: number | null;
  limited_by: (typeof LIMITS)[number];
}

export interface FloorOf {
  identity: string;
  up: FloorSide;
  down: FloorSide;
}

export interface FloorMessage {
  participants: FloorOf[];
}

/** Null for anything that is not a floor message. */
export function decodeFloor(payload: Uint8Array): FloorMessage | null {
  const list = decodeFields(payload)?.['participants'];
  if (!Array.isArray(list)) return null;
  const participants = list.map(participant).filter((one) => one !== null);
  return participants.length === list.length ? { participants } : null;
}

function participant(value: unknown): FloorOf | null {
  const fields = fieldsOf(value);
  const identity = fields?.['identity'];
  const up = side(fields?.['up']);
  const down = side(fields?.['down']);
  return isText(identity) && up && down ? { identity, up, down } : null;
}

function side(value: unknown): FloorSide | null {
  const fields = fieldsOf(value);
  if (!fields) return null;
  const state = wordOf(STATES, fields['state']);
  const limited_by = wordOf(LIMITS, fields['limited_by']);
  const { floor_bps, measured_bps } = fields;
  if (!state || limited_by === undefined || !isCount(floor_bps) || !isCountOrNull(measured_bps)) return null;
  return { state, floor_bps, measured_bps, limited_by };
}

/** The worst of both directions: what a participant's connection is called. */
export function worstOf({ up, down }: FloorOf): FloorSide['state'] {
  const both = [up.state, down.state];
  return (['breached', 'short', 'met'] as const).find((state) => both.includes(state)) ?? 'unproven';
}

/** The connection of a participant in words. */
const WORDS: Record<FloorSide['state'], string> = {
  met: 'good',
  // Too little was sent to tell, which is nobody's fault.
  unproven: 'no problems seen',
  short: 'weak',
  breached: 'below the promised minimum',
};

/** What was measured in each direction that is too weak; null where there is nothing to complain of. */
function figuresOf(floor: FloorOf): string | null {
  const worst = worstOf(floor);
  if (worst !== 'short' && worst !== 'breached') return null;
  return [figure(floor.down, 'down'), figure(floor.up, 'up')].filter((part) => part !== null).join(', ');
}

function figure({ state, floor_bps, measured_bps }: FloorSide, direction: string): string | null {
  if (state !== 'short' && state !== 'breached') return null;
  return measured_bps === null ? direction : `${rate(measured_bps)} of ${rate(floor_bps)} ${direction}`;
}

/** Shows the connection of a participant, in words and with a mark; hides what nobody measured. */
export function drawFloor(badge: HTMLElement, whose: string, floor: FloorOf | null): void {
  badge.hidden = floor === null;
  if (!floor) return;
  badge.dataset['floor'] = worstOf(floor);
  const figures = figuresOf(floor);
  const parts = [`${whose}: `, WORDS[worstOf(floor)], figures === null ? '' : ` (${figures})`];
  if (badge.textContent === parts.join('')) return;
  // In parts, so that a narrow tile can leave some out.
  badge.replaceChildren(...parts.map((text, i) => make('span', PARTS[i], text)));
}

const PARTS = ['floor-whose', 'floor-state', 'floor-figures'];
