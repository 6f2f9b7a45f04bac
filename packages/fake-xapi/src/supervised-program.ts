/**
 * The command line by which BioXen's driver runs a program over SSH: a supervising shell script that enforces the
 * deadline on the machine.
 *
 * A fake guest has no shell that could run the script. It recognises the command line and does what the script does: it
 * reads the program from standard input, drops the mark at its end, and reports two outcomes by the signal that ends
 * the supervisor. The driver's SSH tests check that this file recognises the command line that the driver really sends.
 */

/** Signal that reports that the program was ended at its deadline. */
export const TIMED_OUT = "ALRM";
/** Signal that reports that nothing was run: the mark is missing, so the program did not arrive whole. */
export const NOT_RUN = "USR2";

/** The command line has the form `exec sh -c '<script>' bioxen '<seconds>' '<whole seconds>' '<mark>'`. */
const COMMAND = /^exec sh -c '([^']*)' bioxen '([\d.]+)' '\d+' '(\w+)'$/;
/** Every word that the script needs for its work; a script without one of them is not the supervisor. */
const SUPERVISOR_WORDS = ["setsid", TIMED_OUT, NOT_RUN];

/** Deadline and mark of a supervised program; undefined for every other command. */
export function parseSupervised(
  command: string,
): { readonly timeoutMs: number; readonly mark: string } | undefined {
  const [, script = "", seconds, mark] = COMMAND.exec(command) ?? [];
  if (seconds === undefined || mark === undefined) return undefined;
  if (!SUPERVISOR_WORDS.every((word) => script.includes(word))) return undefined;
  return { timeoutMs: Math.round(Number(seconds) * 1000), mark };
}
