/**
 * `bioxen apply -f fleet.yaml`: shows the difference between a fleet and its file, asks for confirmation, and changes
 * the fleet.
 */
import { dirname } from "node:path";
import type { Command } from "commander";
import type { AppliedVm } from "../apply/carry-out.ts";
import type { Fleet } from "../apply/fleet-file.ts";
import type { PlannedVm } from "../apply/plan.ts";
import { CommandEnd, EXIT_REFUSED, EXIT_UNREACHABLE, EXIT_USAGE, usage } from "../outcome.ts";
import { readSource } from "../parse.ts";
import { Progress } from "../progress.ts";
import { note, say, sayJson, withSession } from "../run.ts";
import type { Session } from "../session.ts";

interface ApplyOptions {
  readonly file: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly prune?: boolean;
  readonly replace?: boolean;
}

const EXAMPLES = `
A fleet file, YAML or JSON (docs/how-to/fleets.md; docs/fleet.schema.json is its JSON Schema, for editors):
  fleet: lab
  defaults: { biologicalType: syn3a }
  vms:
    - { vmId: cell, count: 3, resources: { ribosomes: "50%" } }
    - { vmId: keeper, priority: 3, state: paused }

Examples:
  bioxen apply -f fleet.yaml                show the changes, ask, and make them
  bioxen apply -f fleet.yaml --dry-run      only show the changes
  bioxen apply -f fleet.yaml --prune --yes  also destroy VMs that were removed from the file`;

export function addApplyCommand(program: Command): void {
  program
    .command("apply")
    .description("create, change, start and stop VMs until a fleet matches its file; shows the changes first")
    .requiredOption("-f, --file <file>", "fleet file; - reads standard input")
    .option("--yes", "make the changes without asking")
    .option("--dry-run", "show the changes without making them")
    .option("--prune", "destroy VMs that an apply of this fleet created and the file no longer lists")
    .option("--replace", "destroy and recreate VMs that cannot be changed in place; their state is lost")
    .addHelpText("after", EXAMPLES)
    .action((options: ApplyOptions, command: Command) =>
      withSession(command, (session, { json }) => apply(session, options, json === true)),
    );
}

async function apply(session: Session, options: ApplyOptions, json: boolean): Promise<void> {
  // Loaded only here: the other commands need no YAML parser.
  const [{ planOf }, { carryOut }, words] = await Promise.all([
    import("../apply/plan.ts"),
    import("../apply/carry-out.ts"),
    import("../apply/words.ts"),
  ]);
  const fleet = await fleetOf(options.file, session);
  const plan = planOf(fleet, await session.listAllVms(), options.prune === true);
  const show = (applied: readonly AppliedVm[]) => {
    const of = new Map(applied.map((one) => [one.vmId, one]));
    const vms = plan.map((one) => rowOf(one, of.get(one.vmId)));
    const ok = vms.every(({ outcome }) => outcome !== "failed" && outcome !== "untouched");
    const counts = words.countsOf(plan);
    if (json) sayJson({ ok, fleet: fleet.name, dryRun: options.dryRun === true, counts, vms });
    else if (applied.length > 0) say(words.appliedWords(applied));
  };
  if (!json) say(words.planWords(fleet.name, plan));
  const obstacle = obstacleOf(plan, options);
  if (options.dryRun === true) {
    show([]);
    if (obstacle === undefined) return;
    process.exitCode = EXIT_REFUSED;
    return note(obstacle.message);
  }
  if (obstacle !== undefined) throw obstacle;
  const open = plan.filter(({ action }) => action !== "unchanged" && action !== "left").length;
  if (open === 0) return show([]);
  if (!(await isWanted(options, json, open))) throw new CommandEnd(EXIT_REFUSED, "nothing was changed");
  const progress = new Progress((done) => `${done} of ${open} VMs`);
  const { signal, release } = untilCtrlC();
  const onDone = (done: number) => progress.seen(done);
  const applied = [...(await carryOut(session, plan, { fleet: fleet.name, signal, onDone })).values()];
  release();
  progress.end();
  show(applied);
  concludeWith(applied);
}

async function fleetOf(file: string, session: Session): Promise<Fleet> {
  const [{ parseFleet }, { fileProblemWords }, { knownModels }] = await Promise.all([
    import("../apply/fleet-file.ts"),
    import("../yaml-file.ts"),
    import("@bioxen/contracts"),
  ]);
  const announced = async () => knownModels((await session.ask("chassisList", {})).chassis);
  const directory = file === "-" ? process.cwd() : dirname(file);
  const parsed = await parseFleet(await readSource(file), directory, announced);
  if (parsed.ok) return parsed.fleet;
  const message = fileProblemWords(file, "a valid fleet file", parsed.problems);
  const details = { problems: parsed.problems };
  throw new CommandEnd(EXIT_USAGE, message, { code: "BAD_REQUEST", message, retryable: false, details });
}

/** Returns the entry of one VM in the document that `--json` prints. */
function rowOf({ vmId, action, differences }: PlannedVm, applied: AppliedVm | undefined) {
  const { outcome = null, state = null, reason = null, error = null } = applied ?? {};
  return { vmId, action, differences, outcome, state, reason, error };
}

/**
 * Returns an error when a part of the plan cannot be carried out, otherwise undefined. With an error, the command
 * changes nothing.
 */
function obstacleOf(plan: readonly PlannedVm[], { replace }: ApplyOptions): CommandEnd | undefined {
  const ids = (action: PlannedVm["action"]) =>
    plan.filter((one) => one.action === action).map(({ vmId }) => vmId);
  const foreign = ids("foreign");
  const replaced = replace === true ? [] : ids("replace");
  const sentences = [
    ...(foreign.length === 0
      ? []
      : [
          `these VMs belong to no or another fleet: ${foreign.join(", ")}; choose other ids, or destroy them first`,
        ]),
    ...(replaced.length === 0
      ? []
      : [`cannot be changed in place: ${replaced.join(", ")}; --replace destroys and recreates them`]),
  ];
  if (sentences.length === 0) return undefined;
  const message = `nothing was changed: ${sentences.join("; ")}`;
  const details = { foreign, replace: replaced };
  const error = { code: "CONFLICT", message, retryable: false, details };
  return new CommandEnd(EXIT_REFUSED, `CONFLICT: ${message}`, error);
}

async function isWanted({ yes }: ApplyOptions, json: boolean, open: number): Promise<boolean> {
  if (yes === true) return true;
  const canAsk = process.stdin.isTTY === true && process.stdout.isTTY === true && !json;
  if (!canAsk) throw usage("not a terminal: pass --yes or --dry-run");
  const { confirm } = await import("@clack/prompts");
  return (await confirm({ message: `Change ${open} VMs?`, initialValue: false })) === true;
}

/** Returns a signal that aborts on Ctrl-C or SIGTERM. The steps under way are completed, and no further step starts. */
function untilCtrlC(): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const abort = () => controller.abort();
  process.once("SIGINT", abort).once("SIGTERM", abort);
  return {
    signal: controller.signal,
    release: () => void process.off("SIGINT", abort).off("SIGTERM", abort),
  };
}

function concludeWith(applied: readonly AppliedVm[]): void {
  const untouched = applied.filter(({ outcome }) => outcome === "untouched").length;
  if (untouched > 0) note(`${untouched} VMs were not changed: run the command again to continue`);
  if (applied.some(({ unreachable }) => unreachable)) process.exitCode = EXIT_UNREACHABLE;
  else if (untouched > 0 || applied.some(({ outcome }) => outcome === "failed")) {
    process.exitCode = EXIT_REFUSED;
  }
}
