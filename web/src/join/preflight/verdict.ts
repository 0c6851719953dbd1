// The verdict of a preflight in words: what was measured, what is needed, and what to do about it.
import { mbit } from '../../rate';
import type { Verdict } from './preflight';

export interface VerdictInWords {
  title: string;
  hint: string | null;
}

/** From here on sound and picture break up, whatever the rate. */
const LOSSY_PERMILLE = 50;
/** From here on people talk into each other. */
const SLOW_MS = 400;

export function verdictInWords(verdict: Verdict): VerdictInWords {
  const { up_bps, down_bps, up_floor_bps, down_floor_bps } = verdict;
  if (verdict.state !== 'done' || up_bps === null || down_bps === null) {
    return { title: 'Your connection could not be measured.', hint: TRY };
  }
  const measured = `${mbit(up_bps)} Mbit/s up, ${mbit(down_bps)} down${needed(up_floor_bps ?? 0, down_floor_bps ?? 0)}.`;
  if (verdict.passed !== false) return { title: `Your connection is good enough: ${measured}`, hint: quality(verdict) };
  const weak = [up_bps < (up_floor_bps ?? 0) && 'upload', down_bps < (down_floor_bps ?? 0) && 'download'].filter(Boolean);
  const what = weak.length === 1 ? `Your ${weak[0]}` : 'Your connection';
  return { title: `${what} is too weak: ${measured}`, hint: [quality(verdict), REMEDY].filter(Boolean).join(' ') };
}

/** A direction without a floor needs nothing. */
function needed(up: number, down: number): string {
  if (up === 0 && down === 0) return '';
  return `; needed ${up === down ? mbit(up) : `${mbit(up)} up, ${mbit(down)} down`}`;
}

function quality({ up_loss_permille, down_loss_permille, rtt_ms }: Verdict): string | null {
  const loss = Math.max(up_loss_permille ?? 0, down_loss_permille ?? 0);
  if (loss >= LOSSY_PERMILLE) return `It loses ${Math.round(loss / 10)} % of what is sent, so sound and picture may break up.`;
  if ((rtt_ms ?? 0) >= SLOW_MS) return `Answers take ${rtt_ms} ms, so you may talk into each other.`;
  return null;
}

const REMEDY = 'Go closer to your Wi-Fi router or use a cable, stop other downloads and video calls, or try another network. Then check again.';

const TRY = 'A firewall may block the connection, or it was interrupted. Check again, or try another network.';
