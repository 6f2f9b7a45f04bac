/**
 * Takes a checkpoint of every guest at an interval and reports it to lifecycle.
 *
 * The first interval differs by VM, so that a starting agent does not write the states of all guests at once. A guest
 * whose simulated time has not advanced is skipped. If a guest cannot give a checkpoint now, the agent tries again
 * after the next interval.
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
import type { GuestStates } from "./guest-states.ts";
import type { GuestView } from "./guest-view.ts";
import type { Reports } from "./reports.ts";

/**
 * Default time between two checkpoints of a guest, ms. It is also the most progress, in host time, that a restarted
 * guest loses. Each checkpoint adds one event per VM to the log.
 */
export const DEFAULT_CHECKPOINT_INTERVAL_MS = 60_000;
/** Shortest interval, ms: a shorter one fills the log with checkpoints. */
export const LEAST_CHECKPOINT_INTERVAL_MS = 1_000;

interface Round {
  readonly fence: number;
  readonly dueAtMs: number;
  /** Report of a checkpoint that is stored as a blob, but not recorded in the log yet. */
  readonly pending?: RequestOf<"vmReport"> | undefined;
}

export interface CheckpointRoundsOptions {
  readonly ports: ServicePorts;
  readonly view: GuestView;
  readonly states: GuestStates;
  readonly reports: Reports;
  /** Time between two checkpoints of a guest, ms; 0 disables checkpoints. */
  readonly intervalMs: number;
}

export class CheckpointRounds {
  readonly #options: CheckpointRoundsOptions;
  readonly #reconciler: Reconciler;
  readonly #rounds = new Map<string, Round>();

  constructor(options: CheckpointRoundsOptions) {
    const { ports } = options;
    this.#options = options;
    this.#reconciler = new Reconciler({
      clock: ports.clock,
      timers: ports.timers,
      step: (vmId) => this.#step(vmId),
      onError: (vmId, thrown) =>
        ports.logger.warn({ vmId, err: thrown }, `no checkpoint of ${vmId}: ${messageOf(thrown)}`),
    });
  }

  begin(feed: EventFeed): void {
    if (this.#options.intervalMs === 0) return;
    feed.onEvent(({ envelope }) => {
      const { kind, id } = aggregateOf(envelope.subject);
      if (kind === "vm") this.#reconciler.wake(id);
    });
    for (const [vmId] of this.#options.view.vms.entries()) this.#reconciler.wake(vmId);
  }

  end(): Promise<void> {
    return this.#reconciler.stop();
  }

  async #step(vmId: string): Promise<StepResult> {
    const { ports, view, reports, intervalMs } = this.#options;
    const vm = view.vm(vmId);
    const hasGuest = vm?.state === "running" || vm?.state === "paused";
    if (!hasGuest || vm.fence === null || !view.isHosted(vmId)) {
      this.#rounds.delete(vmId);
      return undefined;
    }
    const round = this.#roundOf(vmId, vm.fence);
    const nowMs = ports.clock.nowMs();
    if (nowMs < round.dueAtMs) return { dueAtMs: round.dueAtMs };
    const next = { fence: vm.fence, dueAtMs: nowMs + intervalMs };
    const pending = round.pending ?? (await this.#take(vmId, vm.fence, vm));
    if (pending !== undefined) {
      this.#rounds.set(vmId, { ...round, pending });
      await reports.send(pending);
    }
    this.#rounds.set(vmId, next);
    return { dueAtMs: next.dueAtMs };
  }

  #roundOf(vmId: string, fence: number): Round {
    const known = this.#rounds.get(vmId);
    if (known?.fence === fence) return known;
    const { ports, intervalMs } = this.#options;
    const round = { fence, dueAtMs: ports.clock.nowMs() + firstShareOf(vmId) * intervalMs };
    this.#rounds.set(vmId, round);
    return round;
  }

  async #take(vmId: string, fence: number, vm: Vm): Promise<RequestOf<"vmReport"> | undefined> {
    const { ports, states } = this.#options;
    try {
      const taken = await states.takeCheckpoint(vmId, fence, vm.checkpoint?.simMinutes);
      return taken === null ? undefined : { vmId, fence, observed: "checkpointed", ...taken };
    } catch (thrown) {
      const isTemporary = thrown instanceof DriverError || (thrown instanceof Fault && thrown.retryable);
      if (!isTemporary) throw thrown;
      ports.logger.info({ vmId, err: thrown }, `no checkpoint of ${vmId} now: ${messageOf(thrown)}`);
      return undefined;
    }
  }
}

/**
 * Returns the time until a VM's first checkpoint as a share of the interval: 0.5 to 1, derived from a hash of the VM's
 * id.
 */
function firstShareOf(vmId: string): number {
  let sum = 0;
  for (let i = 0; i < vmId.length; i += 1) sum = (sum * 31 + vmId.charCodeAt(i)) % 1_000;
  return 0.5 + sum / 2_000;
}
