/**
 * The `bioxen` command: all commands in one tree, exit codes of the contract.
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
import { CommandEnd, EXIT_DONE, EXIT_USAGE } from "./outcome.ts";
import { conclude, sayJson } from "./run.ts";
import { settingOptions, withSettings } from "./settings.ts";

export function createProgram(): Command {
  const program = new Command("bioxen")
    .description("a hypervisor for biological virtual machines")
    .version(BIOXEN_VERSION)
    .showHelpAfterError("(bioxen --help shows every command)")
    .hook("preAction", async (_program, command) => {
      // A file that cannot be read must not keep it from being mended, or looked for.
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
  return program;
}

/** Every command that does something, by its words: `vm create`. */
export function commandPaths(command: Command = createProgram(), before = ""): string[] {
  const shown = command.commands.filter((child) => !isHidden(child));
  return shown.flatMap((child) => {
    const words = `${before}${child.name()}`;
    return child.commands.length === 0 ? [words] : commandPaths(child, `${words} `);
  });
}

/** Global options are taken anywhere on the line, so every command has them. */
function addGlobals(command: Command): void {
  if (command.commands.length === 0) {
    command.option("--json", "one JSON document on stdout");
    for (const option of settingOptions("server", "timeout")) command.addOption(option);
  }
  command.exitOverride();
  for (const child of command.commands) addGlobals(child);
}

/** Options before the command are moved behind it, where the command takes them. */
function withGlobalsLast(args: readonly string[]): string[] {
  const front: string[] = [];
  let i = 0;
  for (; i < args.length; i += 1) {
    const arg = args[i] ?? "";
    if (arg === "--json" || /^--(server|timeout)=/.test(arg)) front.push(arg);
    else if (arg === "--server" || arg === "--timeout") {
      front.push(arg, args[i + 1] ?? "");
      i += 1;
    } else break;
  }
  return [...args.slice(i), ...front];
}

export async function runProgram(argv: readonly string[]): Promise<void> {
  // A reader that has seen enough (`| head`) closes the pipe; that is no failure.
  process.stdout.on("error", () => process.exit(EXIT_DONE));
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

/** Commander has told a person already what is wrong; whoever reads JSON is told as everywhere. */
function concludeUsage({ exitCode, message }: CommanderError, json: boolean): void {
  process.exitCode = exitCode === 0 ? EXIT_DONE : EXIT_USAGE;
  if (exitCode === 0 || !json) return;
  const error = { code: "BAD_REQUEST", message: message.replace(/^error: /, ""), retryable: false };
  sayJson({ ok: false, error });
}
