/**
 * Suggestions for mistyped values and names.
 */
import { closestWord } from "@bioxen/kernel";

/** Returns ` (did you mean X?)` with the closest candidate, or an empty text when none is close. */
export function suggestion(word: string, candidates: readonly string[]): string {
  const closest = closestWord(word, candidates);
  return closest === undefined ? "" : ` (did you mean ${closest}?)`;
}
