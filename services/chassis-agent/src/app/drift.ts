/**
 * What others did to the machines of this agent's VMs, told before anything is done about it.
 *
 * Told means that it is in the log and in the states here: only then does a look at the VM know whether to repair or to follow.
 * What is pending is forgotten with the process; the next agent finds the machine as it is and makes it what its VM is.
 */
import type { DriftPolicy } from "@bioxen/contracts";
import type { Clock } from "@bioxen/kernel";
import type { GuestEvent } from "@bioxen/vm-driver";
import type { Report } from "./reports.ts";

type Seen = Extract<GuestEvent, { kind: "observed" }>;

/** Changes of one VM that may wait to be told; the latest say what it is. */
const MAX_PENDING = 16;

export class Drift {
  readonly #policy: DriftPolicy;
  readonly #clock: Clock;
  /** Resolves once the report is in the log and in the states here. */
  readonly #tell: (report: Report) => Promise<void>;
  readonly #pending = new Map<string, Report[]>();
  #lastSeenAtMs = 0;

  constructor(policy: DriftPolicy, clock: Clock, tell: (report: Report) => Promise<void>) {
    this.#policy = policy;
    this.#clock = clock;
    this.#tell = tell;
  }

  note({ vmId, fence, seen, fromHost, toHost }: Seen): void {
    // Of two changes in one millisecond, and after a clock was set back, the later one is still the later one.
    const seenAtMs = Math.max(this.#clock.nowMs(), this.#lastSeenAtMs + 1);
    this.#lastSeenAtMs = seenAtMs;
    const hosts = { ...(fromHost && { fromHost }), ...(toHost && { toHost }) };
    const outside = { seen, seenAtMs, drift: this.#policy, ...hosts };
    const report: Report = { vmId, fence, observed: "outside-change", outside };
    this.#pending.set(vmId, [...(this.#pending.get(vmId) ?? []), report].slice(-MAX_PENDING));
  }

  /** In the order in which they were seen. Throws `Fault` UNAVAILABLE while one is not taken: it is told again. */
  async tell(vmId: string): Promise<void> {
    for (let report = this.#first(vmId); report !== undefined; report = this.#first(vmId)) {
      await this.#tell(report);
      const left = this.#pending.get(vmId)?.filter((one) => one !== report) ?? [];
      if (left.length > 0) this.#pending.set(vmId, left);
      else this.#pending.delete(vmId);
    }
  }

  #first(vmId: string): Report | undefined {
    return this.#pending.get(vmId)?.[0];
  }
}
