/**
 * The functions that every command uses to open its session, print its output as text or JSON, and set its exit code.
 */
import type { Accepted, Refused } from "@bioxen/client";
import type { Command } from "commander";
import { type CommandEnd, EXIT_DONE, EXIT_REFUSED, endOf, refused } from "./outcome.ts";
import { screenColumns, wrapText } from "./screen.ts";
import { type GlobalOptions, Session, type SessionOptions } from "./session.ts";
import { CONNECTION_KEYS } from "./settings.ts";

export function globalsOf(command: Command): GlobalOptions {
  const fromFlags = CONNECTION_KEYS.filter((key) => command.getOptionValueSource(key) === "cli");
  return { ...(command.optsWithGlobals() as GlobalOptions), fromFlags };
}

/**
 * The stream for text output. For the demo with `--json` it is stderr, because stdout then contains only the JSON
 * document.
 */
let textOutput: NodeJS.WriteStream = process.stdout;

export function textStream(): NodeJS.WriteStream {
  return textOutput;
}

export function sayOnStderr(aside: boolean): void {
  textOutput = aside ? process.stderr : process.stdout;
}

/** Writes the text. On a terminal, lines that are too long for it are wrapped. */
export function say(text: string): void {
  textOutput.write(`${wrapText(text, screenColumns(textOutput))}\n`);
}

/** Writes the text as it is: the output of a guest, or a text that the user copies or evaluates. */
export function sayRaw(text: string): void {
  textOutput.write(`${text}\n`);
}

/** Writes progress and diagnostics to stderr; stdout has only the result. */
export function note(text: string): void {
  process.stderr.write(`${wrapText(text, screenColumns(process.stderr))}\n`);
}

/** Writes the text to stderr as it is, because it contains a text that the user copies. */
export function noteRaw(text: string): void {
  process.stderr.write(`${text}\n`);
}

export function sayJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/**
 * Prints the error text of a command, if it has one, and sets the exit code. With `json`, also prints the error
 * document.
 */
export function conclude(end: CommandEnd, json: boolean): void {
  process.exitCode = end.exitCode;
  if (end.message === "") return;
  if (json) {
    const code = end.exitCode === EXIT_REFUSED ? "INTERNAL" : "BAD_REQUEST";
    sayJson({ ok: false, error: end.error ?? { code, message: end.message, retryable: false } });
  }
  note(end.message);
}

/** Connects, runs `body` with the session, and closes the connection. A failure is printed and sets the exit code. */
export async function withSession(
  command: Command,
  body: (session: Session, options: GlobalOptions) => Promise<void>,
  sessionOptions: SessionOptions = {},
): Promise<void> {
  const options = globalsOf(command);
  let session: Session | undefined;
  let hasFailed = false;
  try {
    session = await Session.open(options, sessionOptions);
    await body(session, options);
  } catch (thrown) {
    hasFailed = true;
    conclude(endOf(thrown), options.json === true);
  } finally {
    await session?.close(hasFailed);
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
