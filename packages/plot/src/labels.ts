/**
 * The names of the lines beside their ends: where they stand, and how long they may be.
 */

/** Returns the text in at most `length` characters. The middle is cut: ids often differ only in their last characters. */
export function shortened(text: string, length: number): string {
  if (text.length <= length) return text;
  const tail = Math.floor((length - 1) / 2);
  return `${text.slice(0, length - 1 - tail)}…${text.slice(text.length - tail)}`;
}

/**
 * Returns places for labels that want to stand at `wanted`, in the same order: at least `gap` apart, within
 * `least` and `largest` as long as they all fit there, and each as near to its wanted place as that allows.
 */
export function spread(
  wanted: readonly number[],
  gap: number,
  [least, largest]: readonly [number, number],
): number[] {
  const order = wanted.map((_, at) => at).toSorted((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0) || a - b);
  const places = [...wanted];
  let free = least;
  for (const at of order) {
    places[at] = Math.max(places[at] ?? 0, free);
    free = (places[at] ?? 0) + gap;
  }
  free = Math.max(largest, least + (wanted.length - 1) * gap);
  for (const at of order.toReversed()) {
    places[at] = Math.min(places[at] ?? 0, free);
    free = (places[at] ?? 0) - gap;
  }
  return places;
}
