/**
 * Says in the log which chassis are lost and which have recovered; the holder of the lease does, on what it has heard itself.
 *
 * A new holder has listened before, but another may have heard better until a moment ago: it declares nothing lost before it has
 * waited through a whole silence of its own term. An agent that is cut off counts on that (see the agent's `self-fence.ts`).
 */
import { type Causation, causedBy, messageOf, Reconciler, type ServicePorts } from "@bioxen/kernel";
import { decideLost, decideRecovered } from "../domain/chassis.ts";
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
  /** Since when this instance acts. */
  #heldSinceMs = 0;

  constructor(ports: ServicePorts, cluster: Cluster, leadership: Leadership, monotonicMs: () => number) {
    this.#ports = ports;
    this.#cluster = cluster;
    this.#leadership = leadership;
    this.#monotonicMs = monotonicMs;
    this.#reconciler = new Reconciler({
      clock: ports.clock,
      timers: ports.timers,
      step: (chassisId) => this.#look(chassisId),
      onError: (chassisId, thrown) =>
        ports.logger.warn({ chassisId, err: thrown }, `a look at ${chassisId} failed: ${messageOf(thrown)}`),
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

  async #look(chassisId: string): Promise<undefined> {
    const { chassis, liveness } = this.#cluster;
    const { state, last } = chassis.get(chassisId);
    if (!state.registered || last === undefined) return undefined;
    const nowMs = this.#ports.clock.nowMs();
    const causation: Causation = causedBy(last);
    const { acts } = this.#leadership;
    if (state.lost === null) {
      const loss = liveness.lossOf(chassisId, this.#heldSinceMs);
      if (loss === undefined) return undefined;
      this.#ports.logger.warn({ chassisId, ...loss }, `${chassisId} is lost`);
      await chassis.react(chassisId, causation, (now) => decideLost(now, loss, nowMs), acts);
      return undefined;
    }
    const sign = liveness.steadySampleOf(chassisId, state.lossesInARow);
    if (sign === undefined) return undefined;
    const evacuating = this.#cluster.occupancy.evacuating(chassisId);
    await chassis.react(chassisId, causation, (now) => decideRecovered(now, sign, evacuating, nowMs), acts);
    return undefined;
  }
}
