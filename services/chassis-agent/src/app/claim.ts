/**
 * The claim of this process on its agent id: of all processes with one agent id, only the holder of the claim runs
 * guests, serves requests and publishes telemetry.
 *
 * The claim is a lease (`leases.ts` of the kernel). Without the claim, two processes could run one guest under the same
 * fencing token, and no receiver could tell them apart. So a holder whose claim has not been renewed pauses its guests
 * before another process can take the claim. A holder without contact to the log also pauses its guests
 * (`domain/self-fence.ts`). Three cases:
 *
 * - Another process holds the claim: this process waits, does nothing, and reports that it waits (log, `/ready`, status
 *   samples, discovery). This process takes over when the holder releases the claim, has visibly ended, or has been
 *   silent for {@link AGENT_CLAIM_TTL_MS}.
 * - The claim lapses and no other process takes it (a short loss of the connection, a busy host): the guests resume
 *   with the next renewal.
 * - The claim lapses and another process takes it: this process is superseded. Its guests have run on elsewhere, from a
 *   checkpoint, so they must not resume here. This process ends. Its supervisor restarts it, and the new process waits.
 *
 * Not covered: a process that is suspended between its check and one step of simulated time finishes that step.
 */
import { agentLease } from "@bioxen/contracts";
import { Fault, type Lease, type ServicePorts } from "@bioxen/kernel";

/**
 * Time after which a silent holder is replaced, ms. It is longer than the TTL of a service's lease, because a lapsed
 * claim pauses guests: neither a restart of the NATS server nor a stall of a busy agent may let the claim lapse. It is
 * shorter than the default time until a chassis is lost, so that a successor on another host takes over before the VMs
 * are moved. It cannot be configured, because all processes with one agent id must use the same value.
 */
export const AGENT_CLAIM_TTL_MS = 6_000;

export class AgentClaim {
  readonly #ports: Pick<ServicePorts, "leases" | "logger">;
  readonly #agentId: string;
  #lease: Lease | undefined;
  #waitsFor: string | undefined;
  #isSuperseded = false;
  #onSuperseded: (reason: string) => void = () => undefined;
  /** Resolves with the reason when another process has taken the claim from this process, which must then end. */
  readonly superseded = new Promise<string>((resolve) => {
    this.#onSuperseded = resolve;
  });

  constructor(ports: Pick<ServicePorts, "leases" | "logger">, agentId: string) {
    this.#ports = ports;
    this.#agentId = agentId;
  }

  /** Returns true while this process holds the claim. The process must call this method before each effect. */
  isHeld(): boolean {
    return !this.#isSuperseded && this.#lease?.token() !== undefined;
  }

  /** Throws `Fault` UNAVAILABLE, retryable, unless this process holds the claim. */
  require(): void {
    if (this.isHeld()) return;
    const message = `this process does not hold the claim on agent ${this.#agentId} at the moment`;
    throw new Fault("UNAVAILABLE", message, { retryable: true });
  }

  /** Returns the last token of the claim; undefined when no process has ever held the claim on this agent id. */
  tokenOnRecord(): Promise<number | undefined> {
    return this.#ports.leases.tokenOnRecord(agentLease(this.#agentId));
  }

  /** The reason why this process waits for the claim; undefined when it does not wait. */
  get waitsFor(): string | undefined {
    return this.#waitsFor;
  }

  /**
   * Contends for the claim. Resolves when this process holds the claim. `onWait` is called with the reason each time
   * another process is found to hold the claim.
   */
  granted(onWait: (reason: string) => void): Promise<void> {
    return new Promise((resolve) => {
      const listener = {
        onHeld: () => {
          this.#waitsFor = undefined;
          resolve();
        },
        onLost: () => undefined,
        onOther: (holder: string) => {
          if (this.#isSuperseded) return;
          this.#waitsFor = this.#reasonToWait(holder);
          this.#ports.logger.warn({ agentId: this.#agentId, holder }, this.#waitsFor);
          onWait(this.#waitsFor);
        },
        onSuperseded: (holder: string | null) => this.#supersede(holder),
      };
      const options = { ttlMs: AGENT_CLAIM_TTL_MS };
      this.#lease = this.#ports.leases.contend(agentLease(this.#agentId), listener, options);
    });
  }

  /** Gives the claim up, after the last guest has ended: a waiting process takes over at once. */
  async release(): Promise<void> {
    await this.#lease?.release();
  }

  #reasonToWait(holder: string): string {
    return (
      `agent ${this.#agentId} is run by ${processOf(holder)}: this process runs no guest until that one ends. ` +
      "Stop one of the two, or give this one another BIOXEN_AGENT_ID"
    );
  }

  #supersede(holder: string | null): void {
    this.#isSuperseded = true;
    const successor = holder === null ? "another process" : processOf(holder);
    const reason =
      `${successor} took over agent ${this.#agentId} while this process was out of reach or stalled: ` +
      "its guests end here, because they run on there";
    this.#ports.logger.error({ agentId: this.#agentId, holder }, reason);
    // Not awaited: `release` waits until the lease's current work ends, and that work includes this call.
    void this.#lease?.release();
    this.#onSuperseded(reason);
  }
}

/** Returns a phrase that names the process of a lease holder, for messages. `holder` has the form `host/pid/…`. */
function processOf(holder: string): string {
  const [host, pid] = holder.split("/");
  return pid === undefined ? `the process ${holder}` : `the process ${pid} on ${host}`;
}
