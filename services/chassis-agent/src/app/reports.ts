/**
 * What this agent tells lifecycle of its guests: each report is repeated until it is taken.
 */
import { callEndpoint, ENDPOINTS, type RequestOf, type VmState } from "@bioxen/contracts";
import { causedBy, Fault, type ReadModel, type ServicePorts } from "@bioxen/kernel";

/** Deadline of one report, ms; it is repeated. */
const REPORT_TIMEOUT_MS = 5_000;

export type Report = RequestOf<"vmReport">;

export class Reports {
  readonly #ports: Pick<ServicePorts, "bus" | "logger">;
  readonly #vms: ReadModel<VmState>;
  /** Not taken yet; the latest of each VM counts. */
  readonly #owed = new Map<string, Report>();
  /** Ends the wait for an answer, of each VM of which a report is on its way. */
  readonly #waits = new Map<string, () => void>();

  constructor(ports: Pick<ServicePorts, "bus" | "logger">, vms: ReadModel<VmState>) {
    this.#ports = ports;
    this.#vms = vms;
  }

  owe(report: Report): void {
    this.#owed.set(report.vmId, report);
  }

  owed(vmId: string): Report | undefined {
    return this.#owed.get(vmId);
  }

  /** There is news of the VM. */
  note(vmId: string): void {
    const report = this.#owed.get(vmId);
    if (report !== undefined && !this.#isOfItsPlace(report)) this.#waits.get(vmId)?.();
  }

  /** Resolves once it is taken, or of no use: what is to be done about the guest then must not wait for an answer. */
  async sendOwed(vmId: string): Promise<void> {
    const report = this.#owed.get(vmId);
    if (report === undefined) return;
    if (this.#isOfItsPlace(report)) {
      const outdated = new Promise<void>((resolve) => void this.#waits.set(vmId, resolve));
      await Promise.race([this.send(report), outdated]).finally(() => this.#waits.delete(vmId));
    }
    if (this.#owed.get(vmId) === report) this.#owed.delete(vmId);
  }

  /** What is said of another place than the one its VM has changes nothing. */
  #isOfItsPlace({ vmId, fence }: Report): boolean {
    const vm = this.#vms.get(vmId);
    return vm.exists && vm.fence === fence;
  }

  /**
   * The sequence of the VM's last event then; 0 where it was refused, which is logged and counts as taken. Throws `Fault` UNAVAILABLE
   * while it is not taken.
   */
  async send(report: Report): Promise<number> {
    const { vmId } = report;
    const last = this.#vms.last(vmId);
    const reply = await callEndpoint(this.#ports.bus, ENDPOINTS.vmReport, report, {
      timeoutMs: REPORT_TIMEOUT_MS,
      ...(last === undefined ? {} : { causation: causedBy(last) }),
    });
    if (reply.ok) return reply.seq;
    if (reply.error.retryable) {
      throw new Fault("UNAVAILABLE", `report of ${vmId}: ${reply.error.message}`, { retryable: true });
    }
    this.#ports.logger.error({ vmId, report, error: reply.error }, "a report was refused");
    return 0;
  }
}
