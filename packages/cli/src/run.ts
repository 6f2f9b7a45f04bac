/**
 * What every command shares: a session, one JSON document or words, and how it ends.
 */
import type { Reply } from "@bioxen/kernel";
import type { Command } from "commander";
import { type CommandEnd, EXIT_DONE, EXIT_REFUSED, endOf } from "./outcome.ts";
import { type GlobalOptions, Session } from "./session.ts";

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
): Promise<void> {
  const options = globalsOf(command);
  let session: Session | undefined;
  try {
    session = await Session.open(options);
    await body(session, options);
  } catch (thrown) {
    conclude(endOf(thrown), options.json === true);
  } finally {
    await session?.close();
  }
}

/** Shows one reply: as it is with `--json`, else in the words of `words`. Refusals set exit code 1. */
export function showReply<R extends Reply>(
  reply: R,
  json: boolean,
  words: (reply: R & { ok: true }) => string,
  asEnd: (error: Extract<Reply, { ok: false }>["error"]) => CommandEnd,
): void {
  if (json) sayJson(reply);
  if (!reply.ok) {
    const end = asEnd(reply.error);
    process.exitCode = end.exitCode;
    if (!json) note(end.message);
    return;
  }
  if (!json) say(words(reply as R & { ok: true }));
  process.exitCode ??= EXIT_DONE;
}
