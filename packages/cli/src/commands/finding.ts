/**
 * One line of `bioxen doctor`: what was checked, what was found, and the remedy.
 */
export type Verdict = "ok" | "warn" | "fail";

export interface Finding {
  readonly check: string;
  readonly verdict: Verdict;
  readonly found: string;
  readonly remedy?: string;
}
