/**
 * Formats the output of `vm exec`: what the program printed to standard output and standard error, and the result of
 * Lua.
 */
import type { ReplyOf } from "@bioxen/client";

export interface ExecOutput {
  readonly stdout: string;
  readonly stderr: string;
}

/** Returns the output of a program, whether it succeeded or failed. */
export function execOutputOf(reply: ReplyOf<"vmExec">): ExecOutput {
  if (!reply.ok) {
    const { stdout, stderr } = reply.error.details ?? {};
    return { stdout: textOf(stdout), stderr: textOf(stderr) };
  }
  const { result, stdout } = reply;
  // A program in a machine has no result value, only exit code 0 and its standard error.
  if (isStatus(result)) return { stdout, stderr: result.stderr };
  return { stdout: `${stdout}${JSON.stringify(result, null, 2) ?? "null"}\n`, stderr: "" };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function isStatus(result: unknown): result is { readonly exitCode: 0; readonly stderr: string } {
  if (typeof result !== "object" || result === null) return false;
  const { exitCode, stderr, ...others } = result as Record<string, unknown>;
  return exitCode === 0 && typeof stderr === "string" && Object.keys(others).length === 0;
}
