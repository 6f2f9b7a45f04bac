/**
 * Runs one command line, and converts errors of usage into exit codes.
 */
import { suggestion } from "@bioxen/contracts";
import { CommanderError } from "commander";
import { isHidden } from "./completion/tree.ts";
import { CommandEnd, EXIT_DONE, EXIT_USAGE, usage } from "./outcome.ts";
import { createProgram, GLOBAL_SETTINGS } from "./program.ts";
import { conclude, sayJson } from "./run.ts";
import { onStdoutClosed } from "./stdout-closed.ts";

/** Moves global options from before the command to the end of the line, where the command parses them. */
function withGlobalsLast(args: readonly string[]): string[] {
  const front: string[] = [];
  let i = 0;
  for (; i < args.length; i += 1) {
    const arg = args[i] ?? "";
    const [flag = "", value] = arg.split("=", 2);
    const isSetting = GLOBAL_SETTINGS.includes(flag.replace(/^--/, "")) && flag.startsWith("--");
    if (arg === "--json" || (isSetting && value !== undefined)) front.push(arg);
    else if (isSetting) {
      front.push(arg, args[i + 1] ?? "");
      i += 1;
    } else break;
  }
  return [...args.slice(i), ...front];
}

/** Returns the line that prints the help of the command that the words name. Unknown words are a usage error. */
async function helpLine(words: readonly string[]): Promise<string[]> {
  const named = words.filter((word) => !word.startsWith("-"));
  let command = await createProgram();
  const path: string[] = [];
  for (const word of named) {
    const children = command.commands.filter((child) => !isHidden(child));
    const child = children.find((one) => one.name() === word || one.aliases().includes(word));
    const before = ["bioxen", ...path].join(" ");
    if (child === undefined && children.length === 0) break;
    if (child === undefined) {
      const meant = suggestion(
        word,
        children.map((one) => one.name()),
      );
      throw usage(`${before} has no command ${word}${meant}\n(${before} --help lists its commands)`);
    }
    path.push(word);
    command = child;
  }
  return [...path, "--help"];
}

export async function runProgram(argv: readonly string[]): Promise<void> {
  process.stdout.on("error", onStdoutClosed);
  const args = withGlobalsLast(argv.slice(2));
  if (args.length === 0) {
    if (process.stdin.isTTY !== true || process.stdout.isTTY !== true) {
      return (await createProgram()).outputHelp();
    }
    return (await import("./commands/menu.ts")).openMenu();
  }
  try {
    const line = args[0] === "help" ? await helpLine(args.slice(1)) : args;
    const program = await createProgram(line);
    await program.parseAsync(line, { from: "user" });
  } catch (thrown) {
    if (thrown instanceof CommanderError) concludeUsage(thrown, args.includes("--json"));
    else if (thrown instanceof CommandEnd) conclude(thrown, args.includes("--json"));
    else throw thrown;
  }
}

/**
 * Sets the exit code after a usage error, which Commander has already printed. With `--json` the function also writes
 * the error document to stdout, as for every refusal.
 */
function concludeUsage({ exitCode, message }: CommanderError, json: boolean): void {
  process.exitCode = exitCode === 0 ? EXIT_DONE : EXIT_USAGE;
  if (exitCode === 0 || !json) return;
  const error = { code: "BAD_REQUEST", message: message.replace(/^error: /, ""), retryable: false };
  sayJson({ ok: false, error });
}
