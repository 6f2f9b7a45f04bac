/**
 * The `bioxen` command: the tree of all commands, and the conversion of errors into exit codes.
 */
import { BIOXEN_VERSION } from "@bioxen/contracts";
import { Command, CommanderError } from "commander";
import { addAlertCommands } from "./commands/alerts.ts";
import { addApplyCommand } from "./commands/apply.ts";
import { addChassisCommands, addLedgerCommands } from "./commands/chassis.ts";
import { addCompletionCommands } from "./commands/completion.ts";
import { addConfigCommands } from "./commands/config.ts";
import { addDemoCommand } from "./commands/demo.ts";
import { addDoctorCommand } from "./commands/doctor.ts";
import { addEventCommands } from "./commands/events.ts";
import { addFakeXapiCommand } from "./commands/fake-xapi.ts";
import { addJobCommands } from "./commands/jobs.ts";
import { openMenu } from "./commands/menu.ts";
import { addQuotaCommands } from "./commands/quota.ts";
import { addReplayCommand } from "./commands/replay.ts";
import { addReportCommands } from "./commands/report.ts";
import { addStackCommands } from "./commands/stack.ts";
import { addStateCommand } from "./commands/state.ts";
import { addTopCommand } from "./commands/top.ts";
import { addVmCommands } from "./commands/vm.ts";
import { isHidden } from "./completion/tree.ts";
import { onStdoutClosed } from "./interruption.ts";
import { CommandEnd, EXIT_DONE, EXIT_USAGE } from "./outcome.ts";
import { conclude, sayJson } from "./run.ts";
import { CONNECTION_KEYS, settingOf, settingOptions, withSettings } from "./settings.ts";

export function createProgram(): Command {
  const program = new Command("bioxen")
    .description("a hypervisor for biological virtual machines")
    .version(BIOXEN_VERSION)
    .showHelpAfterError("(bioxen --help lists every command)")
    .hook("preAction", async (_program, command) => {
      // `bioxen config` must work on a malformed settings file, to show and repair it.
      if (command.parent?.name() !== "config") await withSettings(command);
    });
  addStackCommands(program);
  addFakeXapiCommand(program);
  addDoctorCommand(program);
  addDemoCommand(program);
  addTopCommand(program);
  addVmCommands(program);
  addApplyCommand(program);
  addChassisCommands(program);
  addLedgerCommands(program);
  addQuotaCommands(program);
  addEventCommands(program);
  addStateCommand(program);
  addReplayCommand(program);
  addJobCommands(program);
  addAlertCommands(program);
  addReportCommands(program);
  addConfigCommands(program);
  addCompletionCommands(program);
  addGlobals(program);
  program.addHelpText("after", connectionHelp());
  return program;
}

/** Returns the names of all visible commands that have no subcommands, such as `vm create`. */
export function commandPaths(command: Command = createProgram(), before = ""): string[] {
  const shown = command.commands.filter((child) => !isHidden(child));
  return shown.flatMap((child) => {
    const words = `${before}${child.name()}`;
    return child.commands.length === 0 ? [words] : commandPaths(child, `${words} `);
  });
}

/** Adds the global options to every command, so that they are valid anywhere on the line. */
function addGlobals(command: Command): void {
  if (command.commands.length === 0) {
    command.option("--json", "print one JSON document on stdout");
    for (const option of settingOptions(...GLOBAL_SETTINGS)) {
      // Five more lines in each of the sixty help texts would hide what is special about each command.
      command.addOption(option.hideHelp(RARE_SETTINGS.includes(option.attributeName())));
    }
  }
  command.exitOverride();
  for (const child of command.commands) addGlobals(child);
}

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

export async function runProgram(argv: readonly string[]): Promise<void> {
  process.stdout.on("error", onStdoutClosed);
  const args = withGlobalsLast(argv.slice(2));
  const program = createProgram();
  if (args.length === 0) {
    if (process.stdin.isTTY !== true || process.stdout.isTTY !== true) return program.outputHelp();
    return openMenu();
  }
  try {
    await program.parseAsync(args, { from: "user" });
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
