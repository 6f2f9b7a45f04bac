/**
 * Finds the word that was probably meant by a mistyped one.
 */

/** Maximum number of edits between a word and its suggestion, as in commander. */
const MAX_EDITS = 3;
/** Share of correct letters that a suggestion must exceed, relative to the longer of the two words, as in commander. */
const LEAST_RIGHT = 0.4;
/** Longest word that is compared, characters: longer than any name, and short enough to compare with a hundred names. */
const MAX_LENGTH = 64;

/** Returns the candidate that is closest to `word`, without regard to case; undefined when none is close. */
export function closestWord(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > MAX_LENGTH) return undefined;
  let closest: { readonly candidate: string; readonly edits: number } | undefined;
  for (const candidate of candidates) {
    const edits = editsBetween(word.toLowerCase(), candidate.toLowerCase());
    const longest = Math.max(word.length, candidate.length);
    const isClose = edits <= MAX_EDITS && (longest - edits) / longest > LEAST_RIGHT;
    if (isClose && (closest === undefined || edits < closest.edits)) closest = { candidate, edits };
  }
  return closest?.candidate;
}

/** Returns the Levenshtein distance: the number of letters to add, remove or change. */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
