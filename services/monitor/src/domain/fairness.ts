/**
 * Fairness of granted shares: Jain's index (Jain, Chiu & Hawe 1984) over granted ÷ requested.
 *
 * `(Σx)² / (n · Σx²)`, from 1/n (one VM has everything) to 1 (all VMs have the same share). Returns null when no share,
 * or no share above 0, is given. The index ignores the level of the shares: it is 1 when all VMs starve equally.
 */
export function jainsIndex(shares: readonly number[]): number | null {
  if (shares.length === 0) return null;
  const total = shares.reduce((a, b) => a + b, 0);
  const squares = shares.reduce((a, b) => a + b * b, 0);
  return squares === 0 ? null : (total * total) / (shares.length * squares);
}

/**
 * Returns the granted share of a VM's demand, 0 to 1. This is the smallest share among the VM's resources, because the
 * scarcest resource limits growth. Returns undefined when the VM demands nothing.
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

/** Returns the demand of a VM: its request, or its burst ceiling where that is higher. */
export function demandOf(
  request: Readonly<Record<string, number>>,
  burst: Readonly<Record<string, number>> = {},
): Record<string, number> {
  const out = { ...request };
  for (const [name, ceiling] of Object.entries(burst)) out[name] = Math.max(out[name] ?? 0, ceiling);
  return out;
}
