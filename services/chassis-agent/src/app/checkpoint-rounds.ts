/**
 * Takes a checkpoint of every guest here now and then, and has it recorded.
 *
 * Each VM has a time of its own, so that the guests of an agent that begins are not all written at once. A guest whose simulated
 * time has not moved has nothing to keep; one that cannot give a checkpoint now is asked again at its next time.
 */
import { aggregateOf, type RequestOf, type Vm } from "@bioxen/contracts";
import {
  type EventFeed,
  Fault,
  messageOf,
  Reconciler,
  type ServicePorts,
  type StepResult,
} from "@bioxen/kernel";
import { DriverError } from "@bioxen/vm-driver";
import type { Guests } from "./guests.ts";

/** What a guest that is started again loses at most, ms of the host, and one event of its VM in as long. */
export const DEFAULT_CHECKPOINT_INTERVAL_MS = 60_000;
/** Shorter fills the log with checkpoints, ms. */
export const LEAST_CHECKPOINT_INTERVAL_MS = 1_000;

interface Round {
  readonly fence: number;
  readonly dueAtMs: number;
  /** Stored and not recorded yet. */
  readonly owed?: RequestOf<"vmReport"> | undefined;
}

export class CheckpointRounds {
  readonly #ports: ServicePorts;
  readonly #guests: Guests;
  readonly #intervalMs: number;
  readonly #reconciler: Reconciler;
  readonly #rounds = new Map<string, Round>();

  /** `intervalMs` 0: none are taken. */
  constructor(ports: ServicePorts, guests: Guests, intervalMs: number) {
    this.#ports = ports;
    this.#guests = guests;
    this.#intervalMs = intervalMs;
    this.#reconciler = new Reconciler({
      clock: ports.clock,
      timers: ports.timers,
      step: (vmId) => this.#step(vmId),
      onError: (vmId, thrown) =>
        ports.logger.warn({ vmId, err: thrown }, `no checkpoint of ${vmId}: ${messageOf(thrown)}`),
    });
  }

  begin(feed: EventFeed): void {
    if (this.#intervalMs === 0) return;
    feed.onEvent(({ envelope }) => {
      const { kind, id } = aggregateOf(envelope.subject);
      if (kind === "vm") this.#reconciler.wake(id);
    });
    for (const [vmId] of this.#guests.vms.entries()) this.#reconciler.wake(vmId);
  }

  end(): Promise<void> {
    return this.#reconciler.stop();
  }

  async #step(vmId: string): Promise<StepResult> {
    const vm = this.#guests.vms.get(vmId);
    const lives = vm.exists && (vm.state === "running" || vm.state === "paused");
    if (!lives || vm.fence === null || this.#guests.chassisOf(vmId) === null) {
      this.#rounds.delete(vmId);
      return undefined;
    }
    const round = this.#roundOf(vmId, vm.fence);
    const nowMs = this.#ports.clock.nowMs();
    if (nowMs < round.dueAtMs) return { dueAtMs: round.dueAtMs };
    const next = { fence: vm.fence, dueAtMs: nowMs + this.#intervalMs };
    const owed = round.owed ?? (await this.#take(vmId, vm.fence, vm));
    if (owed !== undefined) {
      this.#rounds.set(vmId, { ...round, owed });
      await this.#guests.reports.send(owed);
    }
    this.#rounds.set(vmId, next);
    return { dueAtMs: next.dueAtMs };
  }

  #roundOf(vmId: string, fence: number): Round {
    const known = this.#rounds.get(vmId);
    if (known?.fence === fence) return known;
    const round = { fence, dueAtMs: this.#ports.clock.nowMs() + shareOf(vmId) * this.#intervalMs };
    this.#rounds.set(vmId, round);
    return round;
  }

  async #take(vmId: string, fence: number, vm: Vm): Promise<RequestOf<"vmReport"> | undefined> {
    try {
      const taken = await this.#guests.states.takeCheckpoint(vmId, fence, vm.checkpoint?.simMinutes);
      return taken === null ? undefined : { vmId, fence, observed: "checkpointed", ...taken };
    } catch (thrown) {
      const isPassing = thrown instanceof DriverError || (thrown instanceof Fault && thrown.retryable);
      if (!isPassing) throw thrown;
      this.#ports.logger.info({ vmId, err: thrown }, `no checkpoint of ${vmId} now: ${messageOf(thrown)}`);
      return undefined;
    }
  }
}

/** From a half to one, the same for the same id. */
function shareOf(vmId: string): number {
  let sum = 0;
  for (let i = 0; i < vmId.length; i += 1) sum = (sum * 31 + vmId.charCodeAt(i)) % 1_000;
  return 0.5 + sum / 2_000;
}
