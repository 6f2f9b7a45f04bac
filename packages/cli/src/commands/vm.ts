/**
 * `bioxen vm …`: the commands on VMs; the larger ones have files of their own.
 */

import { setTimeout as sleep } from "node:timers/promises";
import {
  endsWithAgent,
  isCellSample,
  type ResultOf,
  type VmSample,
  type VmView,
  vmSubjectsFor,
} from "@bioxen/contracts";
import { nextSample, tenantOf } from "@bioxen/nats";
import type { Command } from "commander";
import { sequenceOption } from "../parse.ts";
import { doublingTime, simTime, timeOfDay } from "../quantities.ts";
import { say, sayJson, sayRaw, withSession } from "../run.ts";
import type { Session } from "../session.ts";
import { table } from "../table.ts";
import { untilInterrupted } from "../until.ts";
import { type Left, leftLine, leftOf } from "./agents.ts";
import { ledgerWords, pastChassisTable } from "./chassis-words.ts";
import { cellNeedLines, vmWords } from "./vm-words.ts";

/** Longest wait for the first measurement of a VM that has just started, ms. */
const FIRST_SAMPLE_MS = 3_000;
const POLL_INTERVAL_MS = 50;

/** Returns what the pool of a machine keeps although its agent removes it; undefined for a cell. */
async function leftInPool(session: Session, { vmId, vmType }: VmView): Promise<Left[] | undefined> {
  return endsWithAgent(vmType) ? undefined : await leftOf(session, vmId);
}

export function addShowCommand(vm: Command): void {
  vm.command("show <id>")
    .alias("info")
    .description("show a VM with its latest measurement, or its state at a sequence of the log")
    .option("--at <seq>", "state after the event with this sequence; default: now", sequenceOption)
    .action(async (vmId: string, options: { at?: number }, command: Command) => {
      await withSession(command, async (session, { json }) => {
        if (options.at !== undefined) return showPast(session, vmId, options.at, json === true);
        const { vm: view } = await session.ask("vmGet", { vmId });
        const sample = await firstSample(session, view);
        const left = await leftInPool(session, view);
        if (json === true) return sayJson({ ok: true, vm: view, sample, left });
        const lines = (left ?? []).map((one) => `  left        ${leftLine(one)}`);
        say([vmWords(view, sample), ...lines].join("\n"));
      });
    });
}

export function addExplainCommand(vm: Command): void {
  vm.command("explain <id>")
    .description("explain why a VM is on its chassis, or why it is not placed")
    .action(async (vmId: string, _options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const why = await session.ask("placementExplain", { vmId });
        if (json === true) return sayJson(why);
        say(`${vmId}: ${why.summary}`);
        if (why.cellNeeds !== undefined) {
          const { sample } = await session.ask("monitorVm", { vmId });
          for (const line of cellNeedLines(why, sample)) say(line);
        }
        const rows = why.candidates.map((c) => [
          c.chassisId,
          c.score === null ? "–" : String(c.score),
          c.refusal === null ? "fits" : `${c.refusal.code}: ${c.refusal.message}`,
        ]);
        if (rows.length > 0)
          say(`\nCandidates now${why.chassisId === null ? "" : ", without its present reservation"}:`);
        if (rows.length > 0) say(table(["CHASSIS", "SCORE", { head: "VERDICT", wraps: true }], rows));
        for (const line of preemptionLines(why)) say(line);
      });
    });
}

/**
 * Returns one line for each VM that was preempted in favour of the explained VM. `events show N` takes the event number
 * that each line contains.
 */
function preemptionLines({ preempted }: ResultOf<"placementExplain">): string[] {
  return preempted.map(({ vmId, mode, reason, seq, active }) => {
    const now = active ? "still preempted" : "no longer preempted";
    return `${vmId} was preempted for it (${mode}, #${seq}), ${now}: ${reason}`;
  });
}

/** Shows the VM with its ledger and chassis after event `atSeq`. The log has no measurements, so `sample` is null. */
async function showPast(session: Session, vmId: string, atSeq: number, json: boolean): Promise<void> {
  const reply = await session.ask("vmGet", { vmId, atSeq });
  if (json) return sayJson({ ...reply, sample: null });
  say(vmWords(reply.vm, null));
  if (reply.chassis) say(`\n${pastChassisTable([reply.chassis])}`);
  if (reply.ledger) say(`\n${ledgerWords(reply.ledger)}`);
}

/**
 * Returns the latest sample of the VM; null when it has none. For a running or paused VM without a sample, waits up to
 * 3 s for the first one.
 */
async function firstSample(session: Session, vm: VmView): Promise<VmSample | null> {
  const tenant = await tenantOf(session.bus);
  if (tenant !== undefined) return isMeasured(vm) ? nextSample(session.bus, tenant, vm.vmId) : null;
  const deadline = Date.now() + FIRST_SAMPLE_MS;
  for (;;) {
    const { sample } = await session.ask("monitorVm", { vmId: vm.vmId });
    if (sample !== null || !isMeasured(vm) || Date.now() > deadline) return sample;
    await sleep(POLL_INTERVAL_MS);
  }
}

function isMeasured({ state }: VmView): boolean {
  return state === "running" || state === "paused";
}

export function addStreamCommands(vm: Command): void {
  vm.command("watch <id>")
    .description("print measurements as they arrive, until Ctrl-C")
    .action(async (vmId: string, _options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        await session.ask("vmGet", { vmId });
        const { telemetry } = vmSubjectsFor(await tenantOf(session.bus), vmId);
        session.bus.subscribe(telemetry, (payload) => {
          const s = payload as VmSample;
          if (json === true) sayJson(s);
          else {
            say(`${timeOfDay(s.atMs)}  ${s.state} at ${simTime(s.simMinutes)}, ${measuredWords(s)}`);
          }
        });
        await untilInterrupted();
      });
    });
  vm.command("logs <id>")
    .description("print what the guest prints from now on, until Ctrl-C")
    .option("-f, --follow", "no effect: it always follows, because earlier lines are not stored")
    .action(async (vmId: string, _options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        await session.ask("vmGet", { vmId });
        const { log } = vmSubjectsFor(await tenantOf(session.bus), vmId);
        session.bus.subscribe(log, (payload) => {
          if (json === true) sayJson(payload);
          else sayRaw((payload as { line: string }).line);
        });
        await untilInterrupted();
      });
    });
}

/** Returns the measurements that a guest of this kind has. */
function measuredWords(sample: VmSample): string {
  const { machine, doublingTimeMinutes, ribosomes, divisions } = sample;
  if (machine === undefined || isCellSample(sample)) {
    const engaged = ribosomes?.engaged.toFixed(0) ?? "–";
    return `doubling ${doublingTime(doublingTimeMinutes)}, ribosomes ${engaged}, divisions ${divisions ?? "–"}`;
  }
  const { cpuPermille, memoryUsedMiB, memoryMiB, vcpus } = machine;
  const load =
    cpuPermille === null ? "processor not measured" : `${(cpuPermille / 10).toFixed(1)} % of ${vcpus} vCPUs`;
  return `${load}, ${memoryUsedMiB ?? "?"} of ${memoryMiB} MiB used`;
}
