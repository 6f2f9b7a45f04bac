/**
 * Takes the steps of every VM that need no command. The process takes the place that a ledger holds for the VM, notices
 * a lost place or chassis, advances a move, and ends a stop or a destroy. It restarts a failed VM according to the VM's
 * restart policy.
 *
 * Level-triggered: each step compares the VM with the ledgers and chassis, and decides one thing, until nothing is
 * due.
 */
import {
  type ChassisState,
  causedByMove,
  isForMove,
  isForWaiting,
  type Ledger,
  type LedgerEntry,
  type LedgersOfVms,
  type Vm,
  type VmState,
} from "@bioxen/contracts";
import {
  type Aggregates,
  type Amounts,
  type Causation,
  type Clock,
  causedBy,
  equalAmounts,
  invariant,
  type ReadModel,
  UNCHANGED,
} from "@bioxen/kernel";
import type { ReservedPlace } from "../domain/reserved-place.ts";
import { type VmCommand, vmDecider } from "../domain/vm-decider.ts";
import type { VmDecision } from "../domain/vm-decision.ts";
import { type MoveWorld, moveDueAtMs } from "../domain/vm-move.ts";
import { placeEndsAtMs, restartDueAtMs } from "../domain/vm-world.ts";

/**
 * Time after which this process adopts amounts that a ledger granted, ms. Until then, the instance that executes the
 * resize can record the amounts itself. If it has not recorded them by then, it has probably died. With a shorter time,
 * a slow command finds its resize already recorded, and answers `changed: false`.
 */
export const ADOPT_AFTER_MS = 2_000;
/**
 * Maximum number of decisions in one step of a VM, before other VMs get their turn. The longest legal sequence has
 * three decisions.
 */
const MAX_DECISIONS_PER_STEP = 8;

/** Amounts that a ledger granted and the VM has not recorded, and when this process first saw them. */
interface Unrecorded {
  readonly amounts: Amounts;
  readonly sinceMs: number;
}

/** The states that the next step of a VM depends on. */
export interface VmWorld {
  readonly vms: Aggregates<VmState>;
  readonly ledgers: ReadModel<Ledger>;
  readonly ledgersOf: LedgersOfVms;
  readonly chassis: ReadModel<ChassisState>;
  /** Sequence of the last event that is folded into the read models of ledgers and chassis. */
  readonly knownSeq: () => number;
}

export class VmProcess {
  readonly #vms: Aggregates<VmState>;
  readonly #ledgers: ReadModel<Ledger>;
  readonly #ledgersOf: LedgersOfVms;
  readonly #chassis: ReadModel<ChassisState>;
  readonly #knownSeq: () => number;
  readonly #clock: Clock;
  readonly #unrecorded = new Map<string, Unrecorded>();
  /** True while this instance holds the lease: only the lease holder drives VMs. */
  readonly #acts: () => boolean;

  constructor(world: VmWorld, clock: Clock, acts: () => boolean) {
    this.#vms = world.vms;
    this.#ledgers = world.ledgers;
    this.#ledgersOf = world.ledgersOf;
    this.#chassis = world.chassis;
    this.#knownSeq = world.knownSeq;
    this.#clock = clock;
    this.#acts = acts;
  }

  /**
   * Decides what is due for one VM. Returns the instant at which its next step is due without a further event;
   * undefined when only an event can make a step due.
   */
  async step(vmId: string): Promise<{ readonly dueAtMs: number } | undefined> {
    if (!this.#acts()) return undefined;
    for (let i = 0; i < MAX_DECISIONS_PER_STEP; i += 1) {
      const { last } = this.#vms.get(vmId);
      if (last === undefined || this.#vms.asideOf(vmId) !== undefined) return undefined;
      const decide = (state: VmState) => this.#decide(vmId, state);
      const executed = await this.#vms.react(vmId, this.#causation(vmId), decide, this.#acts);
      invariant(executed.ok, "the commands of a process are never rejected", { vmId });
      if (!executed.changed) break;
    }
    const unrecorded = this.#unrecorded.get(vmId);
    if (unrecorded !== undefined) return { dueAtMs: unrecorded.sinceMs + ADOPT_AFTER_MS };
    const { state } = this.#vms.get(vmId);
    const dueAtMs =
      placeEndsAtMs(state, this.#entryOf(vmId, state)) ??
      restartDueAtMs(state) ??
      moveDueAtMs(state) ??
      this.#targetEndsAtMs(vmId, state);
    return dueAtMs === undefined ? undefined : { dueAtMs };
  }

  /** Whether the chassis is registered whose pool may have the VM's machine. */
  #hasRemover(state: VmState): boolean {
    if (!state.exists || state.machineOn === undefined) return false;
    return this.#chassis.get(state.machineOn).registered;
  }

  #decide(vmId: string, state: VmState): VmDecision {
    const unrecorded = this.#unrecorded.get(vmId);
    this.#unrecorded.delete(vmId);
    const decide = (command: VmCommand) => vmDecider.decide(state, command);
    const settled = decide({ type: "settle", hasRemover: this.#hasRemover(state) });
    if (isDue(settled) || !state.exists) return settled;
    const nowMs = this.#clock.nowMs();
    if (state.fence !== null && state.chassisId !== null) {
      const lost = this.#isLost(state.chassisId) ? decide({ type: "lose-chassis" }) : UNCHANGED;
      if (isDue(lost)) return lost;
      const givenUp = decide({ type: "give-up-place", entry: this.#entryOf(vmId, state), nowMs });
      if (isDue(givenUp)) return givenUp;
      const followed = this.#followLedger(vmId, state, unrecorded);
      if (isDue(followed)) return followed;
      return decide({ type: "advance-move", ...this.#moveWorld(vmId, state) });
    }
    const place = this.#placeFor(vmId, state);
    return decide(place === undefined ? { type: "restart", nowMs } : { type: "place", place, nowMs });
  }

  /** Returns the VM's entry in the ledger of its chassis; null when the ledger has none, or the VM has no chassis. */
  #entryOf(vmId: string, state: VmState): LedgerEntry | null {
    if (!state.exists || state.chassisId === null) return null;
    return this.#ledgers.get(state.chassisId).entries[vmId] ?? null;
  }

  /**
   * Decides how the VM follows a change of its ledger entry. For {@link ADOPT_AFTER_MS}, granted amounts are left to
   * the command that asked for them; every other change is followed at once.
   */
  #followLedger(vmId: string, vm: Vm, unrecorded: Unrecorded | undefined): VmDecision {
    const entry = this.#entryOf(vmId, vm);
    const followed = vmDecider.decide(vm, { type: "follow-ledger", entry });
    const isAdoption = followed.ok && followed.event !== null && entry !== null && entry.fence === vm.fence;
    if (!isAdoption) return followed;
    const { amounts } = entry;
    const nowMs = this.#clock.nowMs();
    const isKnown = unrecorded !== undefined && equalAmounts(unrecorded.amounts, amounts);
    const sinceMs = isKnown ? unrecorded.sinceMs : nowMs;
    if (nowMs - sinceMs >= ADOPT_AFTER_MS) return followed;
    this.#unrecorded.set(vmId, { amounts, sinceMs });
    return UNCHANGED;
  }

  #isLost(chassisId: string): boolean {
    const chassis = this.#chassis.get(chassisId);
    return chassis.registered && chassis.lost !== null;
  }

  /**
   * Returns the instant at which the VM's reservation on the target chassis of its move expires. Returns undefined when
   * this reservation does not expire, or when the VM has no move with a target.
   */
  #targetEndsAtMs(vmId: string, state: VmState): number | undefined {
    const target = state.exists ? state.migration?.target : undefined;
    if (!target) return undefined;
    const entry = this.#ledgers.get(target.chassisId).entries[vmId];
    return entry?.fence === target.fence ? (entry.expiresAtMs ?? undefined) : undefined;
  }

  #moveWorld(vmId: string, vm: Vm): MoveWorld {
    const target = vm.migration?.target ?? null;
    return {
      place: vm.migration === null ? undefined : this.#placeElsewhere(vmId, vm),
      targetEntry: target === null ? undefined : this.#ledgers.get(target.chassisId).entries[vmId],
      isTargetLost: target !== null && this.#isLost(target.chassisId),
      knownSeq: this.#knownSeq(),
      nowMs: this.#clock.nowMs(),
    };
  }

  #placeElsewhere(vmId: string, vm: Vm): ReservedPlace | undefined {
    if (vm.migration === null) return undefined;
    for (const chassisId of this.#ledgersOf.of(vmId)) {
      const entry = this.#ledgers.get(chassisId).entries[vmId];
      if (entry === undefined || chassisId === vm.chassisId || this.#isLost(chassisId)) continue;
      if (isForMove(vm, entry)) return { chassisId, entry };
    }
    return undefined;
  }

  #placeFor(vmId: string, state: VmState): ReservedPlace | undefined {
    if (!state.exists || state.state !== "pending") return undefined;
    for (const chassisId of this.#ledgersOf.of(vmId)) {
      const entry = this.#ledgers.get(chassisId).entries[vmId];
      if (entry !== undefined && isForWaiting(state, entry)) return { chassisId, entry };
    }
    return undefined;
  }

  /**
   * Returns the causation of the VM's next event. Its correlation id is that of the VM's last event, or of the VM's
   * move. The event that it names as the direct cause is the loss of the VM's chassis or a new reservation for the VM.
   * If there is neither, the direct cause is the VM's last event or the request of the move.
   */
  #causation(vmId: string): Causation {
    const { state, last } = this.#vms.get(vmId);
    invariant(last !== undefined, "a VM with a step has an event", { vmId });
    const own = causedBy(last);
    if (!state.exists) return own;
    const chassis = state.chassisId === null ? undefined : this.#chassis.get(state.chassisId);
    if (chassis?.registered === true && chassis.lost !== null)
      return { ...own, causeId: chassis.lost.eventId };
    if (state.migration !== null) {
      const place = this.#placeElsewhere(vmId, state);
      const move = causedByMove(state.migration);
      return place === undefined ? move : { ...move, causeId: place.entry.reservedBy };
    }
    const place = this.#placeFor(vmId, state);
    return place === undefined ? own : { ...own, causeId: place.entry.reservedBy };
  }
}

function isDue(decision: VmDecision): boolean {
  return !decision.ok || decision.event !== null;
}
