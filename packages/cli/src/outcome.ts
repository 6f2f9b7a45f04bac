/**
 * The end of a command: the exit codes of the contract, and the error text.
 */
import { ERRORS, isErrorCode, type Problem } from "@bioxen/contracts";
import { Fault, messageOf, type ReplyError } from "@bioxen/kernel";

export const EXIT_DONE = 0;
export const EXIT_REFUSED = 1;
export const EXIT_USAGE = 2;
export const EXIT_UNREACHABLE = 3;

/**
 * Thrown to end the command with `exitCode` and an error text. The text is empty when the error has already been shown.
 */
export class CommandEnd extends Error {
  readonly exitCode: number;
  /** The refusal as the service sent it, for `--json`. */
  readonly error: ReplyError | undefined;

  constructor(exitCode: number, message: string, error?: ReplyError) {
    super(message);
    this.name = "CommandEnd";
    this.exitCode = exitCode;
    this.error = error;
  }
}

/** Returns the error that ends the command with exit code 2, for wrong usage. */
export function usage(message: string): CommandEnd {
  return new CommandEnd(EXIT_USAGE, message);
}

/**
 * Returns the error that ends the command with exit code 1, for a refusal. The text has every problem and the remedy.
 */
export function refused(error: ReplyError): CommandEnd {
  return new CommandEnd(EXIT_REFUSED, describe(error), error);
}

/** Returns the text of a refusal: each problem once, then the remedy of this refusal, or else of its code. */
function describe({ code, message, details = {} }: ReplyError): string {
  const problems = Array.isArray(details["problems"]) ? (details["problems"] as Problem[]) : [];
  // The message lists all problems in one line. Several problems have a line each instead.
  const lines = [`${code}: ${problems.length > 1 ? `${problems.length} problems` : message}`];
  if (problems.length > 1) {
    lines.push(...problems.map((one) => `  ${one.path === "" ? "payload" : one.path}: ${one.message}`));
  }
  const { traceback, remedy } = details;
  if (typeof traceback === "string") lines.push(traceback);
  if (typeof remedy === "string") lines.push(`  → ${remedy}`);
  else if (isErrorCode(code) && problems.length !== 1) lines.push(`  → ${ERRORS[code].remedy}`);
  return lines.join("\n");
}

/**
 * Converts a thrown error into the error that ends the command. The exit code is 3 for an unreachable service, and 1
 * for any other error. Returns a `CommandEnd` unchanged.
 */
export function endOf(thrown: unknown): CommandEnd {
  if (thrown instanceof CommandEnd) return thrown;
  if (thrown instanceof Fault) {
    const { code, message, retryable, details } = thrown;
    const away = code === "UNAVAILABLE" || code === "TIMEOUT";
    const error = { code: code === "TIMEOUT" ? "UNAVAILABLE" : code, message, retryable, details };
    return new CommandEnd(away ? EXIT_UNREACHABLE : EXIT_REFUSED, `${code}: ${message}`, error);
  }
  return new CommandEnd(EXIT_REFUSED, messageOf(thrown));
}
