// The verdict of a preflight in words: what was measured, what is needed, and what to do about it.
import { mbit } from '../rate';

/** As the node answers it. Rates in bits per second, loss in thousandths. */
export interface Verdict {
  id: string;
  state: 'running' | 'done' | 'failed';
  up_bps: number | null;
  down_bps: number | null;
  up_floor_bps: number;
  down_floor_bps: number;
  rtt_ms: number | null;
  jitter_ms: number | null;
  up_loss_permille: number | null;
  down_loss_permille: number | null;
  passed: boolean;
  at_unix_ms: number;
  text: string;
}

export interface VerdictInWords {
  title: string;
  hint: string | null;
}

/** From here on sound and picture break up, whatever the rate. */
const LOSSY_PERMILLE = 50;
/** From here on people talk into each other. */
const SLOW_MS = 400;

export function verdictInWords(verdict: Verdict): VerdictInWords {
  const up = { bps: verdict.up_bps ?? 0, floor: verdict.up_floor_bps, way: 'up' };
  const down = { bps: verdict.down_bps ?? 0, floor: verdict.down_floor_bps, way: 'down' };
  const measured = `${mbit(up.bps)} Mbit/s up, ${mbit(down.bps)} down`;
  if (verdict.state !== 'done') return { title: 'Your connection could not be measured.', hint: TRY };
  if (verdict.passed) return { title: `Your connection is good enough: ${measured}; needed ${needed(up.floor, down.floor)}.`, hint: quality(verdict) };
  const weak = [up, down].filter(({ bps, floor }) => bps < floor).map(({ way }) => WAY[way]);
  const what = weak.length > 0 ? weak.join(' and ') : 'Your connection';
  const are = weak.length === 2 ? 'are' : 'is';
  return { title: `${sentence(what)} ${are} too weak: ${measured}; needed ${needed(up.floor, down.floor)}.`, hint: [quality(verdict), REMEDY].filter(Boolean).join(' ') };
}

function needed(up: number, down: number): string {
  return up === down ? mbit(up) : `${mbit(up)} up, ${mbit(down)} down`;
}

function quality({ up_loss_permille, down_loss_permille, rtt_ms }: Verdict): string | null {
  const loss = Math.max(up_loss_permille ?? 0, down_loss_permille ?? 0);
  if (loss >= LOSSY_PERMILLE) return `It loses ${Math.round(loss / 10)} % of what is sent, so sound and picture may break up.`;
  if ((rtt_ms ?? 0) >= SLOW_MS) return `Answers take ${rtt_ms} ms, so you may talk into each other.`;
  return null;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const WAY: Record<string, string> = { up: 'your upload', down: 'your download' };

const REMEDY = 'Go closer to your Wi-Fi router or use a cable, stop other downloads and video calls, or try another network. Then check again.';

const TRY = 'A firewall may block the connection, or it was interrupted. Check again, or try another network.';
