/**
 * `bioxen apply -f fleet.yaml`: makes a fleet so. Says first what that takes, and asks.
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
  bioxen apply -f fleet.yaml                what would be done, and after a yes it is
  bioxen apply -f fleet.yaml --dry-run      what would be done
  bioxen apply -f fleet.yaml --prune --yes  and what the file has no more is destroyed`;

export function addApplyCommand(program: Command): void {
  program
    .command("apply")
    .description("make a fleet of VMs what a file says: create, change, start, stop; the diff first")
    .requiredOption("-f, --file <file>", "the fleet file; - is standard input")
    .option("--yes", "do it without asking")
    .option("--dry-run", "only say what would be done")
    .option("--prune", "destroy VMs that an apply of this fleet made and the file has no more")
    .option("--replace", "destroy and create anew where a VM cannot be changed: what is in it is lost")
    .addHelpText("after", EXAMPLES)
    .action((options: ApplyOptions, command: Command) =>
      withSession(command, (session, { json }) => apply(session, options, json === true)),
    );
}

async function apply(session: Session, options: ApplyOptions, json: boolean): Promise<void> {
  // Loaded here: no other command needs a YAML parser.
  const [{ planOf }, { carryOut }, words] = await Promise.all([
    import("../apply/plan.ts"),
    import("../apply/carry-out.ts"),
    import("../apply/words.ts"),
  ]);
  const fleet = await fleetOf(options.file);
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
  if (!(await isWanted(options, json, open))) throw new CommandEnd(EXIT_REFUSED, "nothing was done");
  const progress = new Progress((done) => `${done} of ${open} VMs`);
  const { signal, release } = untilCtrlC();
  const onDone = (done: number) => progress.seen(done);
  const applied = [...(await carryOut(session, plan, { fleet: fleet.name, signal, onDone })).values()];
  release();
  progress.end();
  show(applied);
  concludeWith(applied);
}

async function fleetOf(file: string): Promise<Fleet> {
  const [{ parseFleet }, { problemWords }] = await Promise.all([
    import("../apply/fleet-file.ts"),
    import("../apply/words.ts"),
  ]);
  const directory = file === "-" ? process.cwd() : dirname(file);
  const parsed = await parseFleet(await readSource(file), directory);
  if (parsed.ok) return parsed.fleet;
  const message = problemWords(file, parsed.problems);
  const details = { problems: parsed.problems };
  throw new CommandEnd(EXIT_USAGE, message, { code: "BAD_REQUEST", message, retryable: false, details });
}

/** One row of `--json`. */
function rowOf({ vmId, action, differences }: PlannedVm, applied: AppliedVm | undefined) {
  const { outcome = null, state = null, reason = null, error = null } = applied ?? {};
  return { vmId, action, differences, outcome, state, reason, error };
}

/** Nothing is begun that could not be brought to its end. */
function obstacleOf(plan: readonly PlannedVm[], { replace }: ApplyOptions): CommandEnd | undefined {
  const ids = (action: PlannedVm["action"]) =>
    plan.filter((one) => one.action === action).map(({ vmId }) => vmId);
  const foreign = ids("foreign");
  const replaced = replace === true ? [] : ids("replace");
  const sentences = [
    ...(foreign.length === 0
      ? []
      : [`not of this fleet: ${foreign.join(", ")}; choose other ids, or destroy them first`]),
    ...(replaced.length === 0
      ? []
      : [`cannot be changed in place: ${replaced.join(", ")}; --replace destroys and creates them anew`]),
  ];
  if (sentences.length === 0) return undefined;
  const message = `nothing was done: ${sentences.join("; ")}`;
  const details = { foreign, replace: replaced };
  const error = { code: "CONFLICT", message, retryable: false, details };
  return new CommandEnd(EXIT_REFUSED, `CONFLICT: ${message}`, error);
}

async function isWanted({ yes }: ApplyOptions, json: boolean, open: number): Promise<boolean> {
  if (yes === true) return true;
  const canAsk = process.stdin.isTTY === true && process.stdout.isTTY === true && !json;
  if (!canAsk) throw usage("say --yes, or --dry-run: nobody can be asked here");
  const { confirm } = await import("@clack/prompts");
  return (await confirm({ message: `Do this to ${open} VMs?`, initialValue: false })) === true;
}

/** Ctrl-C lets what is under way come to its end and begins nothing more. */
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
  if (untouched > 0) note(`${untouched} VMs were left as they are: run it again to go on`);
  if (applied.some(({ unreachable }) => unreachable)) process.exitCode = EXIT_UNREACHABLE;
  else if (untouched > 0 || applied.some(({ outcome }) => outcome === "failed")) {
    process.exitCode = EXIT_REFUSED;
  }
}
