/**
 * The `bioxen` command: the tree of all commands, and the conversion of errors into exit codes.
 */
import { BIOXEN_VERSION, suggestion } from "@bioxen/contracts";
import { Command, CommanderError } from "commander";
import { addCommands } from "./catalogue.ts";
import { isHidden } from "./completion/tree.ts";
import { CommandEnd, EXIT_DONE, EXIT_USAGE, usage } from "./outcome.ts";
import { conclude, sayJson } from "./run.ts";
import { screenColumns, wrapText } from "./screen.ts";
import { CONNECTION_KEYS, settingOf, settingOptions, withSettings } from "./settings.ts";
import { onStdoutClosed } from "./stdout-closed.ts";

/**
 * Returns the command `bioxen` with the commands that a line with these words can call; without words, with all
 * commands.
 */
export async function createProgram(words: readonly string[] = []): Promise<Command> {
  const program = new Command("bioxen")
    .description("a hypervisor for biological virtual machines")
    .version(BIOXEN_VERSION)
    .configureOutput({
      writeOut: (text) => process.stdout.write(wrapText(text, screenColumns())),
      writeErr: (text) => process.stderr.write(wrapText(text, screenColumns(process.stderr))),
      getOutHelpWidth: () => screenColumns() ?? HELP_COLUMNS,
    })
    .hook("preAction", async (_program, command) => {
      // `bioxen config` must work on a malformed settings file, to show and repair it.
      if (command.parent?.name() !== "config") await withSettings(command);
    });
  await addCommands(program, words);
  addGlobals(program, "bioxen");
  program.addHelpText("after", connectionHelp());
  return program;
}

/** Returns the names of all visible commands that have no subcommands, such as `vm create`. */
export async function commandPaths(): Promise<string[]> {
  return pathsBelow(await createProgram(), "");
}

function pathsBelow(command: Command, before: string): string[] {
  const shown = command.commands.filter((child) => !isHidden(child));
  return shown.flatMap((child) => {
    const words = `${before}${child.name()}`;
    return child.commands.length === 0 ? [words] : pathsBelow(child, `${words} `);
  });
}

/**
 * Adds the global options to every command, so that they are valid anywhere on the line. `path` is the command with the
 * words before it. A usage error of a command refers to the help of that command.
 */
function addGlobals(command: Command, path: string): void {
  const isGroup = command.commands.length > 0;
  command.showHelpAfterError(`(${path} --help lists its ${isGroup ? "commands" : "options"})`);
  if (!isGroup) {
    command.option("--json", "print one JSON document on stdout");
    for (const option of settingOptions(...GLOBAL_SETTINGS)) {
      // Five more lines in each of the sixty help texts would hide what is special about each command.
      command.addOption(option.hideHelp(RARE_SETTINGS.includes(option.attributeName())));
    }
  }
  command.exitOverride();
  for (const child of command.commands) addGlobals(child, `${path} ${child.name()}`);
}

/** Width of help that does not go to a terminal, in columns. */
const HELP_COLUMNS = 80;

/** The settings that every command has as options. */
const GLOBAL_SETTINGS: readonly string[] = [...CONNECTION_KEYS, "timeout"];
/** The global settings that only the help of `bioxen` itself lists. */
const RARE_SETTINGS: readonly string[] = CONNECTION_KEYS.filter((key) => key !== "server");

/** Returns the last part of the help of `bioxen`. It lists the options of every command that no other help lists. */
function connectionHelp(): string {
  const rows = RARE_SETTINGS.map(settingOf).map(({ flags, meaning, variable }) => [
    `  ${flags}`,
    `${meaning} (${variable})`,
  ]);
  const width = Math.max(...rows.map(([flags = ""]) => flags.length));
  const lines = rows.map(([flags = "", words]) => `${flags.padEnd(width)}  ${words}`);
  return ["", "Options of every command, for a NATS server with credentials or TLS:", ...lines].join("\n");
}

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
