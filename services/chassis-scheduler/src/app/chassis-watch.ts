/**
 * Records in the log which chassis are lost and which have recovered. Only the lease holder records them, from the
 * heartbeats that it has received itself.
 *
 * A follower receives heartbeats too, but it may miss some that the lease holder receives. A new lease holder therefore
 * counts silence only from the start of its own term. An agent that is cut off relies on this rule when it times the
 * pause of its guests (`self-fence.ts` of the agent).
 */
import { type Causation, causedBy, messageOf, Reconciler, type ServicePorts } from "@bioxen/kernel";
import { chassisDecider } from "../domain/chassis.ts";
import type { Cluster } from "./cluster.ts";
import type { Leadership } from "./leadership.ts";
import { CHECK_INTERVAL_MS } from "./liveness.ts";

export class ChassisWatch {
  readonly #ports: ServicePorts;
  readonly #cluster: Cluster;
  readonly #leadership: Leadership;
  readonly #monotonicMs: () => number;
  readonly #reconciler: Reconciler;
  #check: { cancel(): void } | undefined;
  /** Instant at which this instance became lease holder, ms of the monotonic clock. */
  #heldSinceMs = 0;

  constructor(ports: ServicePorts, cluster: Cluster, leadership: Leadership, monotonicMs: () => number) {
    this.#ports = ports;
    this.#cluster = cluster;
    this.#leadership = leadership;
    this.#monotonicMs = monotonicMs;
    this.#reconciler = new Reconciler({
      clock: ports.clock,
      timers: ports.timers,
      step: (chassisId) => this.#step(chassisId),
      onError: (chassisId, thrown) =>
        ports.logger.warn(
          { chassisId, err: thrown },
          `the liveness check of ${chassisId} failed: ${messageOf(thrown)}`,
        ),
    });
  }

  begin(): void {
    this.#leadership.onHeld(() => {
      this.#heldSinceMs = this.#monotonicMs();
    });
    this.#check = this.#ports.timers.every(CHECK_INTERVAL_MS, () => {
      if (!this.#leadership.acts()) return;
      for (const [chassisId] of this.#cluster.registered()) this.#reconciler.wake(chassisId);
    });
  }

  async end(): Promise<void> {
    this.#check?.cancel();
    await this.#reconciler.stop();
  }

  async #step(chassisId: string): Promise<undefined> {
    const { chassis, liveness, occupancy } = this.#cluster;
    const { state, last } = chassis.get(chassisId);
    if (!state.registered || last === undefined) return undefined;
    const nowMs = this.#ports.clock.nowMs();
    const causation: Causation = causedBy(last);
    const { acts } = this.#leadership;
    if (state.lost === null) {
      const silence = liveness.lossOf(chassisId, this.#heldSinceMs);
      if (silence === undefined) return undefined;
      this.#ports.logger.warn({ chassisId, ...silence }, `${chassisId} is lost`);
      const command = { type: "declare-lost", silence, nowMs } as const;
      await chassis.react(chassisId, causation, (now) => chassisDecider.decide(now, command), acts);
      return undefined;
    }
    const sample = liveness.steadySampleOf(chassisId, state.lossesInARow);
    if (sample === undefined) return undefined;
    const evacuating = occupancy.evacuating(chassisId);
    const command = { type: "declare-recovered", sample, evacuating, nowMs } as const;
    await chassis.react(chassisId, causation, (now) => chassisDecider.decide(now, command), acts);
    return undefined;
  }
}
