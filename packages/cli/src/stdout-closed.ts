/**
 * The end of a command whose output has no reader any more. A reader such as `head` closes the pipe early, which is not
 * a failure.
 */
import { EXIT_DONE } from "./outcome.ts";

/** A command that owns processes: it ends them before it ends itself. */
interface Interruptible {
  request(cause: string): void;
}

/** What a closed stdout interrupts; undefined: the closed stdout ends this process at once. */
export const closedStdout: { interrupts: Interruptible | undefined } = { interrupts: undefined };

export function onStdoutClosed(): void {
  if (closedStdout.interrupts === undefined) process.exit(EXIT_DONE);
  closedStdout.interrupts.request("the reader of the output has gone");
}
