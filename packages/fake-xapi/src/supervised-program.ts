/**
 * The command line by which BioXen's driver runs a program over SSH: a supervising shell script that enforces the
 * deadline inside the guest.
 *
 * A fake guest has no shell that could run the script. The fake recognises the command line and does what the script
 * does. The driver appends a mark to each program, so that a truncated program is noticed. The fake reads the program
 * from standard input and removes the mark. The fake reports a passed deadline or a missing mark as the script does: by
 * the signal that ends the script. The driver's SSH tests check that this file recognises the command line that the
 * driver really sends.
 */

/** Name of the signal that ends the supervisor when the program was stopped at its deadline. */
export const TIMED_OUT = "ALRM";
/**
 * Name of the signal that ends the supervisor when no program was run: the mark is missing, so the program is
 * truncated.
 */
export const NOT_RUN = "USR2";

/** Matches a command line of the form `exec sh -c '<script>' bioxen '<seconds>' '<whole seconds>' '<mark>'`. */
const COMMAND = /^exec sh -c '([^']*)' bioxen '([\d.]+)' '\d+' '(\w+)'$/;
/** Words that the supervising script contains; a script that lacks one of them is not taken for the supervisor. */
const SUPERVISOR_WORDS = ["setsid", TIMED_OUT, NOT_RUN];

/** Returns the deadline and the mark in the command line of a supervised program; undefined for every other command. */
export function parseSupervised(
  command: string,
): { readonly timeoutMs: number; readonly mark: string } | undefined {
  const [, script = "", seconds, mark] = COMMAND.exec(command) ?? [];
  if (seconds === undefined || mark === undefined) return undefined;
  if (!SUPERVISOR_WORDS.every((word) => script.includes(word))) return undefined;
  return { timeoutMs: Math.round(Number(seconds) * 1000), mark };
}
