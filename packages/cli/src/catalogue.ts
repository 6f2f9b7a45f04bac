/**
 * The catalogue of commands: their names, and how the module of each is loaded.
 *
 * A command is called far more often than help is printed. Therefore only the module of the called command is loaded,
 * with what that module imports. Help, completion scripts and unknown commands load all modules.
 */
import type { Command } from "commander";

/** Commands that one module defines below the same parent. */
interface CommandModule {
  /** Names and aliases of the commands that the module adds, in its order. A test compares them with the module. */
  readonly names: readonly string[];
  /** Imports the module. Returns the function that adds its commands to their parent. */
  readonly load: () => Promise<(parent: Command) => void>;
  /** True for a command that reads the whole command tree. Every module is loaded with it. */
  readonly needsAll?: boolean;
}

/** A command whose subcommands are in several modules. */
interface CommandGroup {
  readonly name: string;
  readonly description: string;
  readonly modules: readonly CommandModule[];
}

const VM_MODULES: readonly CommandModule[] = [
  {
    names: ["create", "resize", "set-environment", "plan"],
    load: async () => (await import("./commands/vm-create.ts")).addCreateCommands,
  },
  {
    names: ["start", "pause", "resume", "stop", "destroy", "rm", "delete"],
    load: async () => (await import("./commands/vm-verbs.ts")).addVerbCommands,
  },
  { names: ["wait"], load: async () => (await import("./commands/vm-wait.ts")).addWaitCommand },
  { names: ["migrate"], load: async () => (await import("./commands/vm-migrate.ts")).addMigrateCommand },
  { names: ["ls", "list", "ps"], load: async () => (await import("./commands/vm-list.ts")).addListCommand },
  { names: ["show", "info"], load: async () => (await import("./commands/vm.ts")).addShowCommand },
  { names: ["history"], load: async () => (await import("./commands/vm-history.ts")).addHistoryCommand },
  { names: ["course"], load: async () => (await import("./commands/vm-course.ts")).addCourseCommand },
  { names: ["plot"], load: async () => (await import("./commands/vm-plot.ts")).addPlotCommand },
  { names: ["rerun"], load: async () => (await import("./commands/vm-rerun.ts")).addRerunCommand },
  { names: ["explain"], load: async () => (await import("./commands/vm.ts")).addExplainCommand },
  {
    names: ["watch", "logs"],
    load: async () => (await import("./commands/vm.ts")).addStreamCommands,
  },
  { names: ["console"], load: async () => (await import("./commands/vm-console.ts")).addConsoleCommand },
  {
    names: ["snapshot", "snapshots", "restore", "fork"],
    load: async () => (await import("./commands/vm-snapshots.ts")).addSnapshotCommands,
  },
  { names: ["optimise"], load: async () => (await import("./commands/vm-optimise.ts")).addOptimiseCommand },
  { names: ["predict"], load: async () => (await import("./commands/vm-predict.ts")).addPredictCommand },
  { names: ["exec"], load: async () => (await import("./commands/vm-exec.ts")).addExecCommand },
];

/** All commands in the order of `bioxen --help`. */
export const CATALOGUE: readonly (CommandModule | CommandGroup)[] = [
  {
    names: ["up", "down", "status"],
    load: async () => (await import("./commands/stack.ts")).addStackCommands,
  },
  { names: ["fake-xapi"], load: async () => (await import("./commands/fake-xapi.ts")).addFakeXapiCommand },
  { names: ["doctor"], load: async () => (await import("./commands/doctor.ts")).addDoctorCommand },
  {
    names: ["support-bundle"],
    load: async () => (await import("./commands/support-bundle.ts")).addSupportBundleCommand,
  },
  { names: ["demo"], load: async () => (await import("./commands/demo.ts")).addDemoCommand },
  { names: ["top"], load: async () => (await import("./commands/top.ts")).addTopCommand },
  { names: ["ps"], load: async () => (await import("./commands/vm-list.ts")).addPsCommand },
  { name: "vm", description: "biological virtual machines", modules: VM_MODULES },
  { names: ["apply"], load: async () => (await import("./commands/apply.ts")).addApplyCommand },
  {
    names: ["experiment"],
    load: async () => (await import("./commands/experiment.ts")).addExperimentCommands,
  },
  { names: ["models"], load: async () => (await import("./commands/models.ts")).addModelCommands },
  { names: ["chassis"], load: async () => (await import("./commands/chassis.ts")).addChassisCommands },
  { names: ["pool"], load: async () => (await import("./commands/pool.ts")).addPoolCommands },
  { names: ["ledger"], load: async () => (await import("./commands/chassis.ts")).addLedgerCommands },
  { names: ["quota"], load: async () => (await import("./commands/quota.ts")).addQuotaCommands },
  { names: ["backup"], load: async () => (await import("./commands/backup.ts")).addBackupCommands },
  { names: ["events"], load: async () => (await import("./commands/events.ts")).addEventCommands },
  { names: ["state"], load: async () => (await import("./commands/state.ts")).addStateCommand },
  { names: ["replay"], load: async () => (await import("./commands/replay.ts")).addReplayCommand },
  { names: ["jobs"], load: async () => (await import("./commands/jobs.ts")).addJobCommands },
  { names: ["alerts"], load: async () => (await import("./commands/alerts.ts")).addAlertCommands },
  {
    names: ["report", "metrics"],
    load: async () => (await import("./commands/report.ts")).addReportCommands,
  },
  { names: ["auth"], load: async () => (await import("./commands/auth.ts")).addAuthCommands },
  { names: ["certs"], load: async () => (await import("./commands/certs.ts")).addCertsCommands },
  {
    names: ["console"],
    load: async () => (await import("./commands/console.ts")).addConsoleCommand,
  },
  { names: ["env"], load: async () => (await import("./commands/env.ts")).addEnvCommand },
  { names: ["config"], load: async () => (await import("./commands/config.ts")).addConfigCommands },
  { names: ["version"], load: async () => (await import("./commands/version.ts")).addVersionCommand },
  {
    names: ["completion"],
    load: async () => (await import("./commands/completion.ts")).addCompletionCommand,
    needsAll: true,
  },
  { names: ["__ids"], load: async () => (await import("./commands/completion.ts")).addIdsCommand },
];

/**
 * Adds the commands that a line with these words can call. When the words name no command of the catalogue, adds all
 * commands, so that the error can suggest one.
 */
export async function addCommands(program: Command, words: readonly string[]): Promise<void> {
  const [first, second] = words;
  const called = CATALOGUE.find((entry) => isNamed(entry, first));
  if (called === undefined || ("names" in called && called.needsAll === true)) {
    for (const entry of CATALOGUE) await addEntry(program, entry, undefined);
  } else await addEntry(program, called, second);
}

function isNamed(entry: CommandModule | CommandGroup, word: string | undefined): boolean {
  return "names" in entry ? word !== undefined && entry.names.includes(word) : word === entry.name;
}

async function addEntry(
  program: Command,
  entry: CommandModule | CommandGroup,
  word: string | undefined,
): Promise<void> {
  if ("names" in entry) return (await entry.load())(program);
  const group = program.command(entry.name).description(entry.description);
  const called = entry.modules.filter((module) => isNamed(module, word));
  for (const module of called.length > 0 ? called : entry.modules) (await module.load())(group);
}
