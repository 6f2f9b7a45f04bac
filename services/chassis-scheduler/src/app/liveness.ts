/**
 * Which chassis are heard of: the age of the last heartbeat, by this process's own clock.
 */
import { ALL_CHASSIS_TELEMETRY, type ChassisView, chassisSample, SUSPECT_AFTER_MS } from "@bioxen/contracts";
import type { ServicePorts } from "@bioxen/kernel";

export type Liveness = Pick<ChassisView, "state" | "heartbeatAgeMs">;

/** How often silence is looked for, ms. */
const CHECK_INTERVAL_MS = 500;

export class ChassisLiveness {
  readonly #ports: ServicePorts;
  readonly #heardAtMs = new Map<string, number>();
  /** What whoever asks is told, and nothing newer: a state that was seen and never reported would wake nobody when it ends. */
  readonly #states = new Map<string, Liveness["state"]>();
  readonly #stops: (() => void)[] = [];
  #listeningSinceMs = 0;

  constructor(ports: ServicePorts) {
    this.#ports = ports;
  }

  /** `onChange` is told of every chassis of `registered` that falls silent or is heard (again). */
  begin(
    registered: () => Iterable<string>,
    onChange: (chassisId: string, state: Liveness["state"]) => void,
  ): void {
    const { bus, clock, timers } = this.#ports;
    this.#listeningSinceMs = clock.nowMs();
    const note = (chassisId: string) => {
      const state = this.#stateNow(chassisId);
      if (this.of(chassisId).state === state) return;
      this.#states.set(chassisId, state);
      onChange(chassisId, state);
    };
    const subscription = bus.subscribe(ALL_CHASSIS_TELEMETRY, (payload) => {
      const sample = chassisSample.safeParse(payload);
      if (!sample.success) return;
      this.#heardAtMs.set(sample.data.chassisId, clock.nowMs());
      note(sample.data.chassisId);
    });
    const check = timers.every(CHECK_INTERVAL_MS, () => {
      for (const chassisId of registered()) note(chassisId);
    });
    this.#stops.push(
      () => subscription.stop(),
      () => check.cancel(),
    );
  }

  end(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }

  /** `unknown` until this process has listened long enough to say. */
  of(chassisId: string): Liveness {
    const heardAtMs = this.#heardAtMs.get(chassisId);
    const heartbeatAgeMs =
      heardAtMs === undefined ? null : Math.max(0, this.#ports.clock.nowMs() - heardAtMs);
    return { state: this.#states.get(chassisId) ?? "unknown", heartbeatAgeMs };
  }

  #stateNow(chassisId: string): Liveness["state"] {
    const nowMs = this.#ports.clock.nowMs();
    const heardAtMs = this.#heardAtMs.get(chassisId);
    if (heardAtMs === undefined) {
      return nowMs - this.#listeningSinceMs > SUSPECT_AFTER_MS ? "suspect" : "unknown";
    }
    return nowMs - heardAtMs > SUSPECT_AFTER_MS ? "suspect" : "ready";
  }
}
