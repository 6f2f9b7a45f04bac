/**
 * Takes a checkpoint of every guest at an interval, and soon after a change or a program of a user has acted on it, and
 * reports it to lifecycle.
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

/**
 * Time after which a guest on which a change or a program of a user has acted gets a checkpoint, ms. A guest that
 * continues from before a change computes the minutes until it again, so its samples show for that long what was before
 * the change: old amounts, for instance, which raise alerts.
 */
export const CHANGED_CHECKPOINT_MS = 5_000;

interface Round {
  readonly fence: number;
  readonly dueAtMs: number;
  /** Instant before which a change causes no checkpoint. */
  readonly changedDueAtMs: number;
  /** Report of a checkpoint that is stored as a blob, but not recorded in the log yet. */
  readonly pending?: RequestOf<"vmReport"> | undefined;
}

export interface CheckpointRoundsOptions {
  readonly ports: ServicePorts;
  readonly view: GuestView;
  readonly states: Pick<GuestStates, "takeCheckpoint" | "minuteOf">;
  readonly reports: Pick<Reports, "send">;
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
    const later = this.#later(vmId, vm, round, nowMs);
    if (later !== undefined) return { dueAtMs: later };
    const pending = round.pending ?? (await this.#take(vmId, vm.fence, vm));
    if (pending !== undefined) {
      this.#rounds.set(vmId, { ...round, pending });
      await reports.send(pending);
    }
    const dueAtMs = nowMs + intervalMs;
    // A state that cannot be stored now is not tried again before the next interval.
    const changedDueAtMs = pending === undefined ? dueAtMs : Math.min(dueAtMs, nowMs + CHANGED_CHECKPOINT_MS);
    this.#rounds.set(vmId, { fence: vm.fence, dueAtMs, changedDueAtMs });
    return { dueAtMs: vm.changes === undefined ? dueAtMs : changedDueAtMs };
  }

  /** Returns when to look again, epoch ms; undefined if a checkpoint is due. */
  #later(vmId: string, { changes }: Vm, round: Round, nowMs: number): number | undefined {
    if (nowMs >= round.dueAtMs || round.pending !== undefined) return undefined;
    if (changes === undefined) return round.dueAtMs;
    if (nowMs < round.changedDueAtMs) return Math.min(round.dueAtMs, round.changedDueAtMs);
    const minute = this.#options.states.minuteOf(vmId);
    // A checkpoint of the minute of a change does not make the change unnecessary.
    if (minute !== undefined && changes.some(({ simMinute }) => simMinute < minute)) return undefined;
    return Math.min(round.dueAtMs, nowMs + CHANGED_CHECKPOINT_MS);
  }

  #roundOf(vmId: string, fence: number): Round {
    const known = this.#rounds.get(vmId);
    if (known?.fence === fence) return known;
    const { ports, intervalMs } = this.#options;
    const nowMs = ports.clock.nowMs();
    const dueAtMs = nowMs + firstShareOf(vmId) * intervalMs;
    const round = { fence, dueAtMs, changedDueAtMs: nowMs + CHANGED_CHECKPOINT_MS };
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
