/**
 * What `vm exec` shows of a program: what it printed on standard output, what it complained of on standard error, and of Lua its result.
 */
import type { ReplyOf } from "@bioxen/client";

export interface Shown {
  readonly stdout: string;
  readonly stderr: string;
}

/** Of a program that ended well, or did not. */
export function shownOf(reply: ReplyOf<"vmExec">): Shown {
  if (!reply.ok) {
    const { stdout, stderr } = reply.error.details ?? {};
    return { stdout: textOf(stdout), stderr: textOf(stderr) };
  }
  const { result, stdout } = reply;
  // A machine's program has no value, only a status, which is 0, and what it complained of.
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
