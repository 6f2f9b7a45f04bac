/**
 * How a command ends: exit codes of the contract, and what a person is told.
 */
import { ERRORS, isErrorCode } from "@bioxen/contracts";
import { Fault, messageOf, type ReplyError } from "@bioxen/kernel";

export const EXIT_DONE = 0;
export const EXIT_REFUSED = 1;
export const EXIT_USAGE = 2;
export const EXIT_UNREACHABLE = 3;

/** Ends the command with `exitCode`; its message has been, or is to be, shown. */
export class CommandEnd extends Error {
  readonly exitCode: number;
  /** What was refused, in the words of the service. */
  readonly error: ReplyError | undefined;

  constructor(exitCode: number, message: string, error?: ReplyError) {
    super(message);
    this.name = "CommandEnd";
    this.exitCode = exitCode;
    this.error = error;
  }
}

export function usage(message: string): CommandEnd {
  return new CommandEnd(EXIT_USAGE, message);
}

export function refused(error: ReplyError): CommandEnd {
  return new CommandEnd(EXIT_REFUSED, describe(error), error);
}

function describe(error: ReplyError): string {
  const lines = [`${error.code}: ${error.message}`];
  const problems = error.details?.["problems"];
  if (Array.isArray(problems)) {
    for (const { path, message } of problems as { path: string; message: string }[]) {
      lines.push(`  ${path === "" ? "payload" : path}: ${message}`);
    }
  }
  const traceback = error.details?.["traceback"];
  if (typeof traceback === "string") lines.push(traceback);
  if (isErrorCode(error.code)) lines.push(`  → ${ERRORS[error.code].remedy}`);
  return lines.join("\n");
}

/** The end that a thrown thing means. */
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
