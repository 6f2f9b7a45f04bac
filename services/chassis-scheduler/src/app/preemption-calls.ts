/**
 * What a settlement asks of lifecycle: that VMs give way, and that they get back what they gave.
 *
 * One call a victim. Each names the place it was planned on, so a call that comes late, or again, changes nothing; what
 * was left undone by a crash is planned anew.
 */
import { ENDPOINTS, type ResultOf } from "@bioxen/contracts";
import { causedBy, type Reply, type ServicePorts, type Shortage } from "@bioxen/kernel";
import type { PreemptedVm, Preemption } from "@bioxen/placement";
import { callFailure } from "./call-failure.ts";
import type { Cluster } from "./cluster.ts";

/** Deadline of one call, ms: an append, and for a reinstatement one of the allocator before it. */
const CALL_TIMEOUT_MS = 10_000;

export class PreemptionCalls {
  readonly #ports: Pick<ServicePorts, "bus" | "logger">;
  readonly #cluster: Cluster;

  constructor(ports: Pick<ServicePorts, "bus" | "logger">, cluster: Cluster) {
    this.#ports = ports;
    this.#cluster = cluster;
  }

  /** Sequence of the last event of the victims; `acts` is asked before each. */
  async preempt({ vm, chassisId, victims, lacking }: Preemption, acts: () => boolean): Promise<number> {
    const by = { by: vm.vmId, byPriority: vm.priority, reason: reasonOf(vm, chassisId, lacking) };
    const { subject } = ENDPOINTS.vmPreempt;
    let last = 0;
    for (const { vmId, fence, mode } of victims) {
      if (!acts()) return last;
      const reply = await this.#ports.bus.call(
        subject,
        { vmId, fence, mode, ...by },
        { timeoutMs: CALL_TIMEOUT_MS, ...this.#becauseOf(vm.vmId) },
      );
      if (!reply.ok) throw callFailure(subject, reply.error);
      const { changed, seq } = reply as Reply & ResultOf<"vmPreempt">;
      last = Math.max(last, seq);
      this.#ports.logger.info({ vmId, chassisId, mode, by: vm.vmId, changed }, "a VM gives way");
    }
    return last;
  }

  async reinstate({ vmId, fence, preemptedSeq }: PreemptedVm): Promise<number> {
    const { subject } = ENDPOINTS.vmReinstate;
    const reply = await this.#ports.bus.call(
      subject,
      { vmId, fence, preemptedSeq },
      { timeoutMs: CALL_TIMEOUT_MS, ...this.#becauseOf(vmId) },
    );
    if (reply.ok) return (reply as Reply & ResultOf<"vmReinstate">).seq;
    // Somebody was faster, or a quota stands against it: the event that ends that wakes the next round.
    const isRefused = ["CAPACITY_EXCEEDED", "QUOTA_EXCEEDED"].includes(reply.error.code);
    if (isRefused || !reply.error.retryable) {
      this.#ports.logger.info({ vmId, error: reply.error }, "it cannot be reinstated after all");
      return 0;
    }
    throw callFailure(subject, reply.error);
  }

  /** In the chain of what this VM last did. */
  #becauseOf(vmId: string) {
    const last = this.#cluster.vms.last(vmId);
    return last === undefined ? {} : { causation: causedBy(last) };
  }
}

function reasonOf(vm: Preemption["vm"], chassisId: string, lacking: readonly Shortage[]): string {
  const short = lacking.map((s) => `${s.resource} ${s.requested} asked, ${s.free} free`).join("; ");
  return `${chassisId} had too little for ${vm.vmId} (priority ${vm.priority}): ${short}`;
}
