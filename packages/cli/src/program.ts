/**
 * The `bioxen` command: the tree of all commands, and the conversion of errors into exit codes.
 */
import { BIOXEN_VERSION } from "@bioxen/contracts";
import { Command } from "commander";
import { addCommands } from "./catalogue.ts";
import { isHidden } from "./completion/tree.ts";
import { screenColumns, wrapText } from "./screen.ts";
import { CONNECTION_KEYS, settingOf, settingOptions, withSettings } from "./settings.ts";

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
export const GLOBAL_SETTINGS: readonly string[] = [...CONNECTION_KEYS, "timeout"];
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
