/**
 * What every command shares: a session, one JSON document or words, and how it ends.
 */
import type { Accepted, Refused } from "@bioxen/client";
import type { Command } from "commander";
import { type CommandEnd, EXIT_DONE, EXIT_REFUSED, endOf, refused } from "./outcome.ts";
import { type GlobalOptions, Session, type SessionOptions } from "./session.ts";

export function globalsOf(command: Command): GlobalOptions {
  return command.optsWithGlobals() as GlobalOptions;
}

/** Where words go: with `--json` some commands tell their story on stderr, for stdout belongs to one document. */
let words: NodeJS.WriteStream = process.stdout;

export function wordsAside(aside: boolean): void {
  words = aside ? process.stderr : process.stdout;
}

export function say(line: string): void {
  words.write(`${line}\n`);
}

/** Progress and diagnostics: never on stdout, which belongs to the result. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

export function sayJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Shows how a command ended and sets the exit code. */
export function conclude(end: CommandEnd, json: boolean): void {
  process.exitCode = end.exitCode;
  if (end.message === "") return;
  if (json) {
    const code = end.exitCode === EXIT_REFUSED ? "INTERNAL" : "BAD_REQUEST";
    sayJson({ ok: false, error: end.error ?? { code, message: end.message, retryable: false } });
  }
  note(end.message);
}

/** Runs `body` with a connection that is closed afterwards. */
export async function withSession(
  command: Command,
  body: (session: Session, options: GlobalOptions) => Promise<void>,
  sessionOptions: SessionOptions = {},
): Promise<void> {
  const options = globalsOf(command);
  let session: Session | undefined;
  try {
    session = await Session.open(options, sessionOptions);
    await body(session, options);
  } catch (thrown) {
    conclude(endOf(thrown), options.json === true);
  } finally {
    await session?.close();
  }
}

/**
 * Shows one reply: the document itself with `--json`, else the text that `words` makes of it. A refusal sets exit code
 * 1.
 */
export function showReply<R extends Accepted>(
  reply: R | Refused,
  json: boolean,
  words: (result: R) => string,
): void {
  if (json) sayJson(reply);
  if (!reply.ok) {
    const end = refused(reply.error);
    process.exitCode = end.exitCode;
    if (!json) note(end.message);
    return;
  }
  if (!json) say(words(reply));
  process.exitCode ??= EXIT_DONE;
}
