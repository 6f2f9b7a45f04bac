/**
 * The reports of agents about their guests.
 *
 * A report can be false, because any client of the server can send one. Its fence must be the VM's present fence, which
 * excludes reports about another place, incarnation or guest. A guest state in the report must be stored with the
 * reported digest, because the VM's next guest continues from it and the previous state is deleted. A state that the
 * report declares lost must be missing or damaged. Facts that only the agent can know (that a guest started, stopped or
 * failed) are accepted unchecked.
 */
import {
  blobOf,
  type CheckpointRecord,
  type Handled,
  type ParsedRequestOf,
  refuse,
  reportedBy,
} from "@bioxen/contracts";
import { type BlobStore, beginnerOf, type Causation, onBehalfOf } from "@bioxen/kernel";
import type { GuestReport } from "../domain/guest-report.ts";
import { vmDecider } from "../domain/vm-decider.ts";
import type { VmRejection } from "../domain/vm-decision.ts";
import { beyondKnownLog, type CommandPorts, changedSeq, type SeqChanged } from "./command-ports.ts";

/**
 * How far the instant of an agent's observation may be ahead of the clock of this process, ms. The limit allows for an
 * agent with the wrong time zone. Each observation must be later than the previous one. An instant far in the future
 * would therefore exclude all further observations.
 */
const SEEN_AHEAD_MS = 86_400_000;

export interface ReportPorts
  extends Pick<CommandPorts, "vms" | "ledgers" | "chassis" | "clock" | "log" | "knownSeq"> {
  readonly blobs: Pick<BlobStore, "get">;
}

export class ReportCommand {
  readonly #ports: ReportPorts;

  constructor(ports: ReportPorts) {
    this.#ports = ports;
  }

  async report(
    { vmId, ...report }: ParsedRequestOf<"vmReport">,
    causation: Causation,
  ): Promise<Handled<SeqChanged>> {
    const { vms, ledgers, clock } = this.#ports;
    const beyond = await beyondKnownLog(this.#ports, report.fence, "fence");
    const refusal = beyond ?? tooLate(report, clock.nowMs());
    if (refusal !== undefined) return refusal;
    const reported = this.#reported(vmId, report.fence, causation);
    if (!reported.ok) return reported;
    const checked = await this.#checked(vmId, report);
    if (checked === undefined) return { ok: true, result: { changed: false, seq: vms.get(vmId).lastSeq } };
    const entryOn = (chassisId: string | null | undefined) =>
      chassisId ? ledgers.get(chassisId).entries[vmId] : undefined;
    const executed = await vms.execute(vmId, reported.causation, (state) =>
      vmDecider.decide(state, {
        type: "report",
        report: checked,
        entry: state.exists ? entryOn(state.chassisId) : undefined,
        targetEntry: state.exists ? entryOn(state.migration?.target?.chassisId) : undefined,
        nowMs: clock.nowMs(),
      }),
    );
    return changedSeq(executed);
  }

  /**
   * Returns the causation of the report, or its refusal: the agent of the VM's place reports. An event that follows from
   * the VM's last event is on behalf of the principal that began that chain.
   */
  #reported(vmId: string, fence: number, causation: Causation) {
    const { vms, chassis } = this.#ports;
    const { state, last } = vms.get(vmId);
    if (!state.exists) return reportedBy(causation, undefined);
    const target = state.migration?.target;
    const chassisId = target?.fence === fence ? target.chassisId : state.chassisId;
    const host = chassisId === null ? undefined : chassis.get(chassisId);
    const isInChain = last !== undefined && last.correlationid === causation.correlationId;
    const served = isInChain ? onBehalfOf(beginnerOf(last)) : {};
    return reportedBy({ ...causation, ...served }, host?.registered === true ? host.agentId : undefined);
  }

  /** Returns the report without claims that the store of guest states disproves; undefined if no claim remains. */
  async #checked(vmId: string, report: GuestReport): Promise<GuestReport | undefined> {
    const { checkpoint, ...rest } = report;
    switch (report.observed) {
      case "checkpointed":
        return checkpoint !== undefined && (await this.#isStored(vmId, checkpoint)) ? report : undefined;
      case "handed-over":
        // The guest is down already. Without its last state, the VM continues from the recorded one.
        return checkpoint === undefined || (await this.#isStored(vmId, checkpoint)) ? report : rest;
      case "checkpoint-lost":
        return (await this.#isLost(vmId, report)) ? report : undefined;
      default:
        return report;
    }
  }

  /**
   * Returns true if the report names the VM's present checkpoint, and this checkpoint is lost. A checkpoint is lost if
   * the driver refused it, or if its blob is missing or damaged.
   */
  async #isLost(vmId: string, { code, checkpointId }: GuestReport): Promise<boolean> {
    const { state } = await this.#ports.vms.refresh(vmId);
    const checkpoint = state.exists ? state.checkpoint : null;
    if (checkpoint === null || checkpoint.checkpointId !== checkpointId) return false;
    return code === "REFUSED" || !(await this.#isStored(vmId, checkpoint));
  }

  async #isStored(vmId: string, checkpoint: CheckpointRecord): Promise<boolean> {
    const reading = await this.#ports.blobs.get(blobOf(vmId, checkpoint), checkpoint.sha256);
    return reading.kind === "whole";
  }
}

function tooLate({ outside }: GuestReport, nowMs: number): VmRejection | undefined {
  if (outside === undefined || outside.seenAtMs <= nowMs + SEEN_AHEAD_MS) return undefined;
  const problems = [{ path: "outside.seenAtMs", message: "is in the future" }];
  const message = `the change was seen at ${outside.seenAtMs}, which is in the future: set the clock of the agent`;
  return refuse("BAD_REQUEST", message, { details: { problems } });
}
