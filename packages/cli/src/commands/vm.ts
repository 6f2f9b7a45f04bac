/**
 * `bioxen vm …`: life and sight of VMs.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  type ResultOf,
  VM_STATES,
  type VmSample,
  type VmView,
  vmLogSubject,
  vmTelemetrySubject,
} from "@bioxen/contracts";
import type { Command } from "commander";
import { shownOf } from "../exec-output.ts";
import { usage } from "../outcome.ts";
import { integerOption, oneOf, readSource } from "../parse.ts";
import { say, sayJson, showReply, withSession } from "../run.ts";
import type { Session } from "../session.ts";
import { minutes, table } from "../terminal.ts";
import { untilInterrupted } from "../until.ts";
import { ledgerWords, pastChassisTable } from "./chassis.ts";
import { addConsoleCommand } from "./vm-console.ts";
import { addCreateCommands } from "./vm-create.ts";
import { addHistoryCommand } from "./vm-history.ts";
import { addMigrateCommand } from "./vm-migrate.ts";
import { addOptimiseCommand } from "./vm-optimise.ts";
import { addSnapshotCommands } from "./vm-snapshots.ts";
import { addVerbCommands } from "./vm-verbs.ts";
import { vmTable, vmWords } from "./vm-words.ts";

/** A VM that has just started is measured within this time, ms. */
const FIRST_SAMPLE_MS = 3_000;
const LOOK_INTERVAL_MS = 50;

const EXEC_EXAMPLE = `
Example:
  bioxen vm exec c1 -e 'return cell.growth_rate()'
  bioxen vm exec x1 -e 'uname -a'                   in a machine: the agent needs a way in, see docs/how-to/xcpng.md`;

export function addVmCommands(program: Command): void {
  const vm = program.command("vm").description("biological virtual machines");
  addCreateCommands(vm);
  addVerbCommands(vm);
  addMigrateCommand(vm);
  addSightCommands(vm);
  addStreams(vm);
  addConsoleCommand(vm);
  addSnapshotCommands(vm);
  addOptimiseCommand(vm);
  vm.command("exec <id> [file]")
    .description("run Lua in a running cell, or shell in a running machine of a pool; - reads standard input")
    .option("-e, --eval <source>", "the source itself")
    .option("--timeout-ms <n>", "limit of the program's own time, ms", integerOption)
    .addHelpText("after", EXEC_EXAMPLE)
    .action(async (vmId: string, file: string | undefined, options, command: Command) => {
      if ((options.eval === undefined) === (file === undefined))
        throw usage("give either -e SOURCE or a file");
      await withSession(command, async (session, { json }) => {
        const source: string = options.eval ?? (await readSource(file ?? "-"));
        const timeout = options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs as number };
        const reply = await session.call("vmExec", { vmId, source, ...timeout });
        if (json !== true) {
          const { stdout, stderr } = shownOf(reply);
          process.stdout.write(stdout);
          process.stderr.write(stderr);
        }
        if (json === true || !reply.ok) showReply(reply, json === true, String);
      });
    });
}

function addSightCommands(vm: Command): void {
  vm.command("ls")
    .description("all VMs")
    .addOption(oneOf("--state <state>", "in this state only", VM_STATES))
    .option("--label <label>", "name or name=value")
    .option("--chassis <id>", "on this chassis only")
    .action(async (options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const vms = await session.listAllVms({
          ...(options.state ? { state: options.state } : {}),
          ...(options.label ? { label: options.label } : {}),
          ...(options.chassis ? { chassisId: options.chassis } : {}),
        });
        if (json === true) sayJson({ ok: true, vms, cursor: null });
        else say(vmTable(vms, Date.now()));
      });
    });
  vm.command("show <id>")
    .description("one VM with its latest measurement, or as it was")
    .option("--at <seq>", "as it was after this event", integerOption)
    .action(async (vmId: string, options: { at?: number }, command: Command) => {
      await withSession(command, async (session, { json }) => {
        if (options.at !== undefined) return showPast(session, vmId, options.at, json === true);
        const { vm: view } = await session.ask("vmGet", { vmId });
        const sample = await firstSample(session, view);
        if (json === true) sayJson({ ok: true, vm: view, sample });
        else say(vmWords(view, sample));
      });
    });
  addHistoryCommand(vm);
  vm.command("explain <id>")
    .description("why it is where it is, or nowhere")
    .action(async (vmId: string, _options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const why = await session.ask("placementExplain", { vmId });
        if (json === true) return sayJson(why);
        say(`${vmId}: ${why.summary}`);
        const rows = why.candidates.map((c) => [
          c.chassisId,
          c.score === null ? "–" : String(c.score),
          c.refusal === null ? "fits" : `${c.refusal.code}: ${c.refusal.message}`,
        ]);
        if (rows.length > 0) say(`\nAs of now${why.chassisId === null ? "" : ", as if it had no place"}:`);
        say(table(["CHASSIS", "SCORE", "VERDICT"], rows));
        for (const line of gaveWayLines(why)) say(line);
      });
    });
}

/** Who gave way to it; events by their numbers, `events show N` tells more. */
function gaveWayLines({ preempted }: ResultOf<"placementExplain">): string[] {
  return preempted.map(({ vmId, mode, reason, seq, active }) => {
    const now = active ? "and still goes without" : "and has its room again, or asks for none";
    return `${vmId} gave way to it (${mode}, #${seq}) ${now}: ${reason}`;
  });
}

/** The VM with the account and the chassis of its place; measurements are not in the log. */
async function showPast(session: Session, vmId: string, atSeq: number, json: boolean): Promise<void> {
  const reply = await session.ask("vmGet", { vmId, atSeq });
  if (json) return sayJson({ ...reply, sample: null });
  say(vmWords(reply.vm, null));
  if (reply.chassis) say(`\n${pastChassisTable([reply.chassis])}`);
  if (reply.ledger) say(`\n${ledgerWords(reply.ledger)}`);
}

/** The latest sample; a guest that has just started gets a moment to be measured. */
async function firstSample(session: Session, vm: VmView): Promise<VmSample | null> {
  const deadline = Date.now() + FIRST_SAMPLE_MS;
  for (;;) {
    const { sample } = await session.ask("monitorVm", { vmId: vm.vmId });
    const due = vm.state === "running" || vm.state === "paused";
    if (sample !== null || !due || Date.now() > deadline) return sample;
    await sleep(LOOK_INTERVAL_MS);
  }
}

function addStreams(vm: Command): void {
  vm.command("watch <id>")
    .description("measurements as they come; follows until Ctrl-C")
    .action(async (vmId: string, _options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        await session.ask("vmGet", { vmId });
        session.bus.subscribe(vmTelemetrySubject(vmId), (payload) => {
          const s = payload as VmSample;
          if (json === true) sayJson(s);
          else {
            say(
              `${new Date(s.atMs).toISOString()} ${s.state} ${s.simMinutes} min, doubling ${minutes(s.doublingTimeMinutes)}, ribosomes ${s.ribosomes.engaged.toFixed(0)}, divisions ${s.divisions}`,
            );
          }
        });
        await untilInterrupted();
      });
    });
  vm.command("logs <id>")
    .description("what the guest prints from now on; follows until Ctrl-C")
    .option("-f, --follow", "go on until Ctrl-C: it always does, what was printed before is not kept")
    .action(async (vmId: string, _options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        await session.ask("vmGet", { vmId });
        session.bus.subscribe(vmLogSubject(vmId), (payload) => {
          if (json === true) sayJson(payload);
          else say((payload as { line: string }).line);
        });
        await untilInterrupted();
      });
    });
}
