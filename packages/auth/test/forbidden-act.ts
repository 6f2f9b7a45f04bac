/** An act of a user that has turned hostile (forbidden-acts.ts). */
import type { Acting } from "./acting.ts";

export interface ForbiddenAct {
  readonly who: string;
  readonly what: string;
  readonly act: (user: Acting, other: (name: string) => Acting) => unknown;
}

export const act = (who: string, what: string, work: ForbiddenAct["act"]): ForbiddenAct => ({
  who,
  what,
  act: work,
});
