/**
 * Drives each VM along without being asked: takes the place a ledger holds for it, notices a lost one and a lost chassis, takes a
 * move a step further, ends what a stop or destroy began, and starts again what its restart policy wants.
 *
 * Level-triggered: each look compares the VM with the ledgers and does one thing, until nothing is due.
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
import type { HeldPlace } from "../domain/held-place.ts";
import type { VmDecision } from "../domain/vm.ts";
import { decideMoveStep, type MoveWorld, moveDueAtMs } from "../domain/vm-move.ts";
import {
  decideChassisLost,
  decideEndings,
  decideFollowLedger,
  decideGiveUp,
  decidePlace,
  decideRestart,
  placeEndsAtMs,
  restartDueAtMs,
} from "../domain/vm-world.ts";

/**
 * A resize that its ledger granted is recorded by the command that asked for it, at whichever instance; should that one die in
 * between, the process adopts it after this long, ms. Shorter takes the record, and with it the answer, from slow commands.
 */
export const ADOPT_AFTER_MS = 2_000;
/** Decisions one look may make before others get their turn; the longest legal chain is three. */
const MAX_STEPS_PER_LOOK = 8;

interface Unrecorded {
  readonly amounts: Amounts;
  readonly sinceMs: number;
}

/** What a VM's next step depends on. */
export interface VmWorld {
  readonly vms: Aggregates<VmState>;
  readonly ledgers: ReadModel<Ledger>;
  readonly ledgersOf: LedgersOfVms;
  readonly chassis: ReadModel<ChassisState>;
  /** Sequence of the last event that is in them. */
  readonly knownSeq: () => number;
}

export class VmProcess {
  readonly #vms: Aggregates<VmState>;
  readonly #ledgers: ReadModel<Ledger>;
  readonly #ledgersOf: LedgersOfVms;
  readonly #chassis: ReadModel<ChassisState>;
  readonly #knownSeq: () => number;
  readonly #clock: Clock;
  /** Amounts of ledgers that their VMs do not have yet, and since when. */
  readonly #unrecorded = new Map<string, Unrecorded>();
  /** Whether this instance drives: the holder of the lease does. */
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

  /** Looks at one VM; says when to look again even if nothing happens. */
  async step(vmId: string): Promise<{ readonly dueAtMs: number } | undefined> {
    if (!this.#acts()) return undefined;
    for (let i = 0; i < MAX_STEPS_PER_LOOK; i += 1) {
      const { last } = this.#vms.get(vmId);
      if (last === undefined) return undefined;
      const decide = (state: VmState) => this.#decide(vmId, state);
      const executed = await this.#vms.react(vmId, this.#causation(vmId), decide, this.#acts);
      invariant(executed.ok, "a process decides nothing that is refused", { vmId });
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

  #decide(vmId: string, state: VmState): VmDecision {
    const unrecorded = this.#unrecorded.get(vmId);
    this.#unrecorded.delete(vmId);
    const ending = decideEndings(state);
    if (!ending.ok || ending.event !== null) return ending;
    if (!state.exists) return ending;
    if (state.fence !== null && state.chassisId !== null) {
      const lost = this.#isLost(state.chassisId) ? decideChassisLost(state) : UNCHANGED;
      if (!lost.ok || lost.event !== null) return lost;
      const givenUp = decideGiveUp(state, this.#entryOf(vmId, state), this.#clock.nowMs());
      if (!givenUp.ok || givenUp.event !== null) return givenUp;
      const followed = this.#followed(vmId, state, unrecorded);
      if (!followed.ok || followed.event !== null) return followed;
      return decideMoveStep(state, this.#moveWorld(vmId, state));
    }
    const place = this.#placeFor(vmId, state);
    const nowMs = this.#clock.nowMs();
    return place === undefined ? decideRestart(state, nowMs) : decidePlace(state, place, nowMs);
  }

  /** What the ledger of the VM's chassis holds for it; null: nothing, or it has no chassis. */
  #entryOf(vmId: string, state: VmState): LedgerEntry | null {
    if (!state.exists || state.chassisId === null) return null;
    return this.#ledgers.get(state.chassisId).entries[vmId] ?? null;
  }

  /** What its ledger made of its place; what it granted is left to the command that asked for it, for a while. */
  #followed(vmId: string, vm: Vm, unrecorded: Unrecorded | undefined): VmDecision {
    const entry = this.#entryOf(vmId, vm);
    const followed = decideFollowLedger(vm, entry);
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

  /** When the place a move leads to runs out; undefined: it does not, or there is none. */
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

  #placeElsewhere(vmId: string, vm: Vm): HeldPlace | undefined {
    if (vm.migration === null) return undefined;
    for (const chassisId of this.#ledgersOf.of(vmId)) {
      const entry = this.#ledgers.get(chassisId).entries[vmId];
      if (entry === undefined || chassisId === vm.chassisId || this.#isLost(chassisId)) continue;
      if (isForMove(vm, entry)) return { chassisId, entry };
    }
    return undefined;
  }

  #placeFor(vmId: string, state: VmState): HeldPlace | undefined {
    if (!state.exists || state.state !== "pending") return undefined;
    for (const chassisId of this.#ledgersOf.of(vmId)) {
      const entry = this.#ledgers.get(chassisId).entries[vmId];
      if (entry !== undefined && isForWaiting(state, entry)) return { chassisId, entry };
    }
    return undefined;
  }

  /** In the VM's own chain; the direct cause is a new reservation or the loss of its chassis, else its last event. */
  #causation(vmId: string): Causation {
    const { state, last } = this.#vms.get(vmId);
    invariant(last !== undefined, "a VM that is looked at has an event", { vmId });
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
