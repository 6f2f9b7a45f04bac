/**
 * Calls to lifecycle that carry out a settlement: preempt victims, and reinstate preempted VMs.
 *
 * Each call names the reservation it was planned on, so a late or repeated call changes nothing. Whatever a crash
 * leaves undone is planned again in a later round.
 */
import { callEndpoint, callFailure, ENDPOINTS, isFinalRefusal } from "@bioxen/contracts";
import { causedBy, type ServicePorts, type Shortage } from "@bioxen/kernel";
import type { PreemptedVm, Preemption } from "@bioxen/placement";
import type { Cluster } from "./cluster.ts";

/**
 * Deadline of one call to lifecycle, ms. The call appends a single event. In a reinstatement, the allocator first
 * appends an event to the ledger.
 */
const CALL_TIMEOUT_MS = 10_000;

export class PreemptionCalls {
  readonly #ports: Pick<ServicePorts, "bus" | "logger">;
  readonly #cluster: Cluster;

  constructor(ports: Pick<ServicePorts, "bus" | "logger">, cluster: Cluster) {
    this.#ports = ports;
    this.#cluster = cluster;
  }

  /**
   * Preempts the victims one by one, and returns the sequence of the newest event that this caused; 0 for none. Calls
   * `acts` before each victim, and stops when it returns false: an instance that has lost its lease preempts no further
   * VM.
   */
  async preempt({ vm, chassisId, victims, lacking }: Preemption, acts: () => boolean): Promise<number> {
    const by = { by: vm.vmId, byPriority: vm.priority, reason: reasonOf(vm, chassisId, lacking) };
    let last = 0;
    for (const { vmId, fence, mode } of victims) {
      if (!acts()) return last;
      const reply = await callEndpoint(
        this.#ports.bus,
        ENDPOINTS.vmPreempt,
        { vmId, fence, mode, ...by },
        { timeoutMs: CALL_TIMEOUT_MS, ...this.#causationOf(vm.vmId) },
      );
      if (!reply.ok && !isFinalRefusal(reply.error))
        throw callFailure(ENDPOINTS.vmPreempt.subject, reply.error);
      if (!reply.ok) {
        this.#ports.logger.info({ vmId, by: vm.vmId, error: reply.error }, "a preemption was rejected");
        return last;
      }
      const { changed, seq } = reply;
      last = Math.max(last, seq);
      this.#ports.logger.info({ vmId, chassisId, mode, by: vm.vmId, changed }, "a VM was preempted");
    }
    return last;
  }

  /**
   * Gives the VM its full request back, and returns the sequence of the event that records this; 0 when there is no
   * room for it now.
   */
  async reinstate({ vmId, fence, preemptedSeq }: PreemptedVm): Promise<number> {
    const reply = await callEndpoint(
      this.#ports.bus,
      ENDPOINTS.vmReinstate,
      { vmId, fence, preemptedSeq },
      { timeoutMs: CALL_TIMEOUT_MS, ...this.#causationOf(vmId) },
    );
    if (reply.ok) return reply.seq;
    // Another VM took the room first, or a quota blocks this VM. The event that removes the obstacle wakes a new round.
    const isRefused = ["CAPACITY_EXCEEDED", "QUOTA_EXCEEDED"].includes(reply.error.code);
    if (isRefused || isFinalRefusal(reply.error)) {
      this.#ports.logger.info({ vmId, error: reply.error }, "reinstatement rejected: the VM stays preempted");
      return 0;
    }
    throw callFailure(ENDPOINTS.vmReinstate.subject, reply.error);
  }

  /** Returns the causation of a call about this VM: the call continues the correlation id of the VM's last event. */
  #causationOf(vmId: string) {
    const last = this.#cluster.vms.last(vmId);
    return last === undefined ? {} : { causation: causedBy(last) };
  }
}

function reasonOf(vm: Preemption["vm"], chassisId: string, lacking: readonly Shortage[]): string {
  const short = lacking.map((s) => `${s.resource} ${s.requested} requested, ${s.free} free`).join("; ");
  return `${chassisId} had too little room for ${vm.vmId} (priority ${vm.priority}): ${short}`;
}
