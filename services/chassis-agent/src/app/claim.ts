/**
 * The claim of this process on its agent id: of all processes with one agent id, only the holder of the claim runs
 * guests, serves requests and publishes telemetry.
 *
 * The claim is a lease (`leases.ts` of the kernel). Without the claim, two processes could run one guest under the same
 * fencing token, and no receiver could tell them apart. So a holder whose claim has not been renewed pauses its guests
 * before another process can take the claim. It also does so without contact to the log (`domain/self-fence.ts`). Three
 * cases:
 *
 * - Another process holds the claim: this one waits, does nothing, and says so (log, `/ready`, status samples,
 *   discovery). It takes over when the holder releases the claim, has visibly ended, or has been silent for
 *   {@link AGENT_CLAIM_TTL_MS}.
 * - The claim lapses and no other process takes it (a short cut, a busy host): the guests resume with the next renewal.
 * - The claim lapses and another process takes it: this one is superseded. Its guests have run on elsewhere, from a
 *   checkpoint, so they must not resume here. The process ends; its supervisor restarts it, and it waits.
 *
 * Not covered: a process that is suspended between its check and one step of simulated time finishes that step.
 */
import { Fault, type Lease, type ServicePorts } from "@bioxen/kernel";

/**
 * Time after which a silent holder is replaced, ms. It is longer than that of a service's lease, because a lapsed claim
 * pauses guests: a restart of the NATS server and a stall of a busy agent must fit into it. It is shorter than the
 * default time until a chassis is lost, so that a successor on another host comes before the VMs are moved. All
 * processes with one agent id must use the same value, so it is no setting.
 */
export const AGENT_CLAIM_TTL_MS = 6_000;

export class AgentClaim {
  readonly #ports: Pick<ServicePorts, "leases" | "logger">;
  readonly #agentId: string;
  #lease: Lease | undefined;
  #waitsFor: string | undefined;
  #isSuperseded = false;
  #onSuperseded: (reason: string) => void = () => undefined;
  /** Resolves with the reason when another process has taken the claim from this one: this process must then end. */
  readonly superseded = new Promise<string>((resolve) => {
    this.#onSuperseded = resolve;
  });

  constructor(ports: Pick<ServicePorts, "leases" | "logger">, agentId: string) {
    this.#ports = ports;
    this.#agentId = agentId;
  }

  /** Returns true while this process is the agent: it must check this before each effect. */
  isHeld(): boolean {
    return !this.#isSuperseded && this.#lease?.token() !== undefined;
  }

  /** Throws `Fault` UNAVAILABLE, retryable, unless this process is the agent. */
  require(): void {
    if (this.isHeld()) return;
    const message = `this process does not hold the claim on agent ${this.#agentId} at the moment`;
    throw new Fault("UNAVAILABLE", message, { retryable: true });
  }

  /** Returns the last token of the claim; undefined when no process has ever made a claim on this agent. */
  tokenOnRecord(): Promise<number | undefined> {
    return this.#ports.leases.tokenOnRecord(leaseOf(this.#agentId));
  }

  /** The reason why this process waits for the claim; undefined when it does not wait. */
  get waitsFor(): string | undefined {
    return this.#waitsFor;
  }

  /**
   * Contends for the claim. Resolves when this process has become the agent. `onWait` is called with the reason each
   * time another process is found to hold the claim.
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
      this.#lease = this.#ports.leases.contend(leaseOf(this.#agentId), listener, options);
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
    // Not awaited: the lease calls this method from the work that `release` waits for.
    void this.#lease?.release();
    this.#onSuperseded(reason);
  }
}

function leaseOf(agentId: string): string {
  return `agent.${agentId}`;
}

/** Returns the words for the process of a lease's holder, whose id is `host/pid/…`. */
function processOf(holder: string): string {
  const [host, pid] = holder.split("/");
  return pid === undefined ? `the process ${holder}` : `the process ${pid} on ${host}`;
}
