// Bit rates as people read them.

/** `1.5 Mbit/s`, or `400 kbit/s` below one megabit. */
export function rate(bps: number): string {
  const kbit = Math.round(bps / 1000);
  return kbit < 1000 ? `${kbit} kbit/s` : `${Number(mbit(bps))} Mbit/s`;
}

/** Megabits with one digit behind the point, cut: nobody reads "1.0" of a link that has 0.98. */
export function mbit(bps: number): string {
  return (Math.floor(bps / 100_000) / 10).toFixed(1);
}
