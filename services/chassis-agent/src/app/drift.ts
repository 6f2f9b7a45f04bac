/**
 * Reports changes of a pool's machines that were made outside BioXen, before the agent reacts to them.
 *
 * A change counts as reported once it is in the log and in this agent's view. Only then can the next step for the VM
 * decide whether to undo the change or to accept it. Pending reports are lost with the process. The next agent process
 * then compares the machine with the log, and undoes the change.
 */
import type { DriftPolicy } from "@bioxen/contracts";
import type { Clock } from "@bioxen/kernel";
import type { GuestEvent } from "@bioxen/vm-driver";
import type { Report } from "./reports.ts";

type ObservedEvent = Extract<GuestEvent, { kind: "observed" }>;

/**
 * Maximum number of pending reports of one VM; the oldest are dropped, because the latest describe the present state.
 */
const MAX_PENDING = 16;

export class Drift {
  readonly #policy: DriftPolicy;
  readonly #clock: Clock;
  /** Sends a report to lifecycle; resolves once the report is in the log and in this agent's view. */
  readonly #send: (report: Report) => Promise<void>;
  readonly #pending = new Map<string, Report[]>();
  #lastSeenAtMs = 0;

  constructor(policy: DriftPolicy, clock: Clock, send: (report: Report) => Promise<void>) {
    this.#policy = policy;
    this.#clock = clock;
    this.#send = send;
  }

  /** Queues a report of a change that a driver has observed. */
  note({ vmId, fence, seen, fromHost, toHost }: ObservedEvent): void {
    // The instants increase strictly, even for two changes in one millisecond or after the clock was set back.
    const seenAtMs = Math.max(this.#clock.nowMs(), this.#lastSeenAtMs + 1);
    this.#lastSeenAtMs = seenAtMs;
    const hosts = { ...(fromHost && { fromHost }), ...(toHost && { toHost }) };
    const outside = { seen, seenAtMs, drift: this.#policy, ...hosts };
    const report: Report = { vmId, fence, observed: "outside-change", outside };
    this.#pending.set(vmId, [...(this.#pending.get(vmId) ?? []), report].slice(-MAX_PENDING));
  }

  /**
   * Sends the VM's queued reports to lifecycle, in order. Rejects with `Fault` UNAVAILABLE when lifecycle has not taken
   * a report, which then stays queued.
   */
  async report(vmId: string): Promise<void> {
    for (let report = this.#first(vmId); report !== undefined; report = this.#first(vmId)) {
      await this.#send(report);
      const left = this.#pending.get(vmId)?.filter((one) => one !== report) ?? [];
      if (left.length > 0) this.#pending.set(vmId, left);
      else this.#pending.delete(vmId);
    }
  }

  #first(vmId: string): Report | undefined {
    return this.#pending.get(vmId)?.[0];
  }
}
