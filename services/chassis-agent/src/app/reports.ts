/**
 * Reports to lifecycle about this agent's guests. Each report is repeated until lifecycle has taken it.
 */
import {
  callEndpoint,
  ENDPOINTS,
  isBeingRemoved,
  isFinalRefusal,
  type RequestOf,
  type VmState,
} from "@bioxen/contracts";
import { causedBy, Fault, type ReadModel, type ServicePorts } from "@bioxen/kernel";
import type { AgentClaim } from "./claim.ts";

/** Deadline of one attempt to send a report, ms. */
const REPORT_TIMEOUT_MS = 5_000;

export type Report = RequestOf<"vmReport">;

export class Reports {
  readonly #ports: Pick<ServicePorts, "bus" | "logger">;
  readonly #vms: ReadModel<VmState>;
  readonly #claim: Pick<AgentClaim, "require">;
  /** By VM id, the latest report that lifecycle has not taken yet. */
  readonly #pending = new Map<string, Report>();
  /** By VM id, the function that ends the wait for lifecycle's answer to a report that is being sent. */
  readonly #waits = new Map<string, () => void>();

  constructor(
    ports: Pick<ServicePorts, "bus" | "logger">,
    vms: ReadModel<VmState>,
    claim: Pick<AgentClaim, "require">,
  ) {
    this.#ports = ports;
    this.#vms = vms;
    this.#claim = claim;
  }

  /** Queues a report for {@link sendPending}. Replaces an earlier one of the same VM. */
  enqueue(report: Report): void {
    this.#pending.set(report.vmId, report);
  }

  pending(vmId: string): Report | undefined {
    return this.#pending.get(vmId);
  }

  /** Call it after each event of a VM. Ends the wait for the answer to a report that the event has made outdated. */
  onVmChanged(vmId: string): void {
    const report = this.#pending.get(vmId);
    if (report !== undefined && !this.#isCurrent(report)) this.#waits.get(vmId)?.();
  }

  /**
   * Sends the VM's queued report. Resolves once lifecycle has taken the report, or once a newer reservation of the VM
   * has made the report outdated. The next action on the guest then does not wait for an answer that no longer matters.
   */
  async sendPending(vmId: string): Promise<void> {
    const report = this.#pending.get(vmId);
    if (report === undefined) return;
    if (this.#isCurrent(report)) {
      const outdated = new Promise<void>((resolve) => void this.#waits.set(vmId, resolve));
      await Promise.race([this.send(report), outdated]).finally(() => this.#waits.delete(vmId));
    }
    if (this.#pending.get(vmId) === report) this.#pending.delete(vmId);
  }

  /** Returns true if the report is about the VM's present reservation. Lifecycle ignores reports about any other. */
  #isCurrent({ vmId, fence }: Report): boolean {
    const vm = this.#vms.get(vmId);
    return vm.exists && (isBeingRemoved(vm) ? vm.lastFence : vm.fence) === fence;
  }

  /**
   * Sends a report. Returns the sequence of the VM's last event, which lifecycle's reply contains. A rejected report is
   * logged and counts as taken; the result is then 0. Throws `Fault` UNAVAILABLE when lifecycle has not taken the
   * report, or when this process does not hold the agent's claim.
   */
  async send(report: Report): Promise<number> {
    this.#claim.require();
    const { vmId } = report;
    const last = this.#vms.last(vmId);
    const reply = await callEndpoint(this.#ports.bus, ENDPOINTS.vmReport, report, {
      timeoutMs: REPORT_TIMEOUT_MS,
      ...(last === undefined ? {} : { causation: causedBy(last) }),
    });
    if (reply.ok) return reply.seq;
    if (!isFinalRefusal(reply.error)) {
      throw new Fault("UNAVAILABLE", `report of ${vmId}: ${reply.error.message}`, { retryable: true });
    }
    this.#ports.logger.error({ vmId, report, error: reply.error }, "lifecycle rejected a report");
    return 0;
  }
}
