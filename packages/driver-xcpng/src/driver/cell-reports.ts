/**
 * What is known of the guest agent and the cell in each machine.
 *
 * The agent reports in xenstore; its reports arrive with the record of the VM. What the driver learns over SSH is noted
 * here as well. A report is external input: a malformed one counts as a failed agent.
 */
import {
  AGENT_KEY,
  type AgentReport,
  type CellSample,
  parseAgentReport,
  parseSampleReport,
  SAMPLE_KEY,
} from "@bioxen/guest-agent/protocol";
import { messageOf } from "@bioxen/kernel";
import type { GuestEvent, GuestSample, GuestSpec, MachineAgent } from "@bioxen/vm-driver";
import type { OwnVm } from "./inventory.ts";
import { FIRST_PROBE_WAIT_MS, MEASUREMENT_AGE_MS, REPORT_LAG_MS } from "./limits.ts";
import type { MachineGuestSample } from "./statistics.ts";
import type { Tags } from "./tags.ts";

/** What is known of one machine, from the start of its VM under one fence. */
export interface KnownCell {
  readonly ref: string;
  readonly fence: number;
  /** The spec of the last start or resize by this process; undefined for a machine that ran before. */
  spec: GuestSpec | undefined;
  agent: AgentReport | undefined;
  /** Why the cell failed; it stays failed until the machine comes up again. Undefined while it has not failed. */
  failure: string | undefined;
  /** Whether the agent reports in xenstore. */
  isInXenstore: boolean;
  /** Whether the machine answered over SSH that it has no guest agent. */
  isAbsent: boolean;
  sample: CellSample | undefined;
  /** Time at which `sample` was last renewed, epoch ms. */
  sampledAtMs: number;
  /** Time at which the agent last said over SSH that its cell lives, epoch ms. */
  aliveAtMs: number;
  /** Whether the agent's state was asked for over SSH since the machine came up. */
  isAsked: boolean;
  /** Whether the cell must be resumed although the machine runs: a resume did not reach it. */
  mustResume: boolean;
  /** An allocation that has not reached the cell yet. */
  pending: Readonly<Record<string, number>> | undefined;
  /** Number of the last line of the guest that was read. */
  lastLine: number;
  /** Which process of the agent printed it, as the start of that process; undefined if the agent does not tell. */
  linesOfMs: number | undefined;
  /** Wait before the next call after a failed one, ms, and the time of that call, epoch ms. */
  waitMs: number;
  nextCallAtMs: number;
}

type CellEvent = Extract<GuestEvent, { readonly kind: "divided" | "failed" }>;

export class CellReports {
  readonly #known = new Map<string, KnownCell>();
  /** The texts in xenstore that were read last, by VM id. */
  readonly #texts = new Map<
    string,
    { readonly agent: string | undefined; readonly sample: string | undefined }
  >();
  readonly #emit: (event: CellEvent) => void;

  constructor(emit: (event: CellEvent) => void) {
    this.#emit = emit;
  }

  /** Returns what is known of the machine, with what its record says now. */
  of(vm: OwnVm): KnownCell {
    const { vmId, fence } = vm.tags;
    const before = this.#known.get(vmId);
    const known = before?.ref === vm.ref && before.fence === fence ? before : this.begin(vm, undefined);
    this.#read(known, vm);
    return known;
  }

  /** Forgets what was known of the VM's machine, which has just come up for `spec`. */
  begin({ ref, tags }: OwnVm, spec: GuestSpec | undefined): KnownCell {
    const known: KnownCell = {
      ref,
      fence: tags.fence,
      spec,
      agent: undefined,
      failure: undefined,
      isInXenstore: false,
      isAbsent: false,
      sample: undefined,
      sampledAtMs: 0,
      aliveAtMs: 0,
      isAsked: false,
      mustResume: false,
      pending: undefined,
      lastLine: 0,
      linesOfMs: undefined,
      waitMs: FIRST_PROBE_WAIT_MS,
      nextCallAtMs: 0,
    };
    this.#known.set(tags.vmId, known);
    this.#texts.delete(tags.vmId);
    return known;
  }

  forget(vmId: string): void {
    this.#known.delete(vmId);
    this.#texts.delete(vmId);
  }

  /** Forgets every VM that `isThere` does not accept. */
  keepOnly(isThere: (vmId: string) => boolean): void {
    for (const vmId of this.#known.keys()) if (!isThere(vmId)) this.forget(vmId);
  }

  /** Notes a sample that is newer than the known one. */
  noteSample(vmId: string, known: KnownCell, sample: CellSample): void {
    const divisions = sample.divisions - (known.sample?.divisions ?? sample.divisions);
    known.sample = sample;
    known.sampledAtMs = Date.now();
    const { fence } = known;
    if (divisions > 0) this.#emit({ kind: "divided", vmId, fence, divisions });
  }

  /** Notes what the agent says of itself and of the cell in the VM's machine. */
  noteAgent({ vmId, incarnation, cellDue }: Tags, known: KnownCell, report: AgentReport): void {
    known.agent = report;
    const { fence } = known;
    const isOwn = report.fence === fence && report.incarnation === incarnation;
    // A start that waits for the cell rejects with the reason; before that the VM has no cell that could fail.
    if (report.state !== "failed" || !isOwn || cellDue || known.failure !== undefined) return;
    const reason = cellFailed(report);
    known.failure = reason;
    this.#emit({ kind: "failed", vmId, fence, reason });
  }

  #read(known: KnownCell, { record, tags }: OwnVm): void {
    const { [AGENT_KEY]: agent, [SAMPLE_KEY]: sample } = record.xenstore_data;
    const before = this.#texts.get(tags.vmId);
    if (before !== undefined && before.agent === agent && before.sample === sample) return;
    const report = agent === undefined || agent === before?.agent ? undefined : reportIn(agent);
    // A report from before the answer over SSH arrives late. It is looked at again once the agent had time for a new one.
    const isLate = report?.state === "waiting" && Date.now() - known.aliveAtMs < REPORT_LAG_MS;
    this.#texts.set(tags.vmId, { agent: isLate ? before?.agent : agent, sample });
    if (report !== undefined) {
      known.isInXenstore = true;
      known.isAbsent = false;
      if (!isLate) this.noteAgent(tags, known, report);
    }
    if (sample === undefined || sample === before?.sample) return;
    try {
      const { incarnation, fence: _, ...values } = parseSampleReport(sample);
      if (incarnation === tags.incarnation) this.noteSample(tags.vmId, known, values);
    } catch {
      // A malformed sample is none. The agent of the machine reports it again within seconds.
    }
  }
}

/** Returns why a VM has failed whose agent reports a failed cell. */
export function cellFailed({ reason }: AgentReport): string {
  return `the cell in its machine failed: ${reason ?? "its guest agent gives no reason"}`;
}

function reportIn(text: string): AgentReport {
  try {
    return parseAgentReport(text);
  } catch (thrown) {
    return { version: "unknown", protocol: 1, model: "unknown", state: "failed", reason: messageOf(thrown) };
  }
}

/** Returns whether the machine is a cell now. */
export function isCell({ agent }: KnownCell): boolean {
  return agent?.state === "running";
}

/** Returns the cell's sample; undefined for a machine without a living cell, and for a running cell that went silent. */
export function freshSample(known: KnownCell, { record }: OwnVm): CellSample | undefined {
  if (!isCell(known)) return undefined;
  const isOld = record.power_state === "Running" && Date.now() - known.sampledAtMs > MEASUREMENT_AGE_MS;
  return isOld ? undefined : known.sample;
}

/** Returns the agent as telemetry shows it; null when none has reported. */
export function machineAgent({ agent }: KnownCell): MachineAgent | null {
  if (agent === undefined) return null;
  const { version, model, state, reason } = agent;
  return { version, model, state, ...(reason === undefined ? {} : { reason }) };
}

/** Returns the sample of a machine together with that of the cell in it. */
export function withCellSample(sample: MachineGuestSample, known: KnownCell, vm: OwnVm): GuestSample {
  const agent = machineAgent(known);
  const machine = { ...sample.machine, agent };
  if (agent === null) return { ...sample, machine };
  const cell = freshSample(known, vm);
  if (cell !== undefined) return { ...cell, machine };
  // The minutes of a cell never fall back to those of its machine.
  const health = isCell(known) ? sample.health : 0;
  return { ...sample, simMinutes: known.sample?.simMinutes ?? 0, health, machine };
}
