/**
 * How evenly granted shares are spread: Jain's index (Jain, Chiu & Hawe 1984) over granted ÷ requested.
 *
 * `(Σx)² / (n · Σx²)`, from 1/n (one has everything) to 1 (all have the same share). null when there is nothing to
 * compare. Blind to how much everybody has: all starving equally is 1.
 */
export function jainsIndex(shares: readonly number[]): number | null {
  if (shares.length === 0) return null;
  const total = shares.reduce((a, b) => a + b, 0);
  const squares = shares.reduce((a, b) => a + b * b, 0);
  return squares === 0 ? null : (total * total) / (shares.length * squares);
}

/**
 * The share of its demand one VM was granted: the smallest over its resources, because the scarcest one limits growth.
 * 0..1; undefined when it demands nothing.
 */
export function grantedShare(
  granted: Readonly<Record<string, number>>,
  demand: Readonly<Record<string, number>>,
): number | undefined {
  let smallest: number | undefined;
  for (const [name, wanted] of Object.entries(demand)) {
    if (wanted <= 0) continue;
    const share = Math.min(1, (granted[name] ?? 0) / wanted);
    if (smallest === undefined || share < smallest) smallest = share;
  }
  return smallest;
}

/** What a VM asks for: its request, and as much more as may be lent to it. */
export function demandOf(
  request: Readonly<Record<string, number>>,
  burst: Readonly<Record<string, number>> = {},
): Record<string, number> {
  const out = { ...request };
  for (const [name, ceiling] of Object.entries(burst)) out[name] = Math.max(out[name] ?? 0, ceiling);
  return out;
}
