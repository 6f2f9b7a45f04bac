/**
 * The state of a simulated cluster, folded from its log, with checks after every event and at rest.
 */
import {
  type Chassis,
  type ChassisState,
  chargedAmounts,
  chassisFold,
  emptyRoom,
  freeAmounts,
  type Ledger,
  ledgerFold,
  mismatchOf,
  type QuotaState,
  quotaFold,
  quotaFree,
  quotaLabelsOf,
  type Room,
  releasableTo,
  roomFor,
  roomOf,
  type Vm,
  type VmState,
  vmFold,
} from "@bioxen/contracts";
import { type Amounts, equalAmounts, type Fold, ReadModel, type StoredEvent, sum } from "@bioxen/kernel";
import { HOLD_AFTER_MS } from "@bioxen/placement";
import { AlertFolds } from "./alerts.ts";
import { DrainFolds } from "./drains.ts";
import { deepFreeze } from "./log.ts";

export class Folds {
  vms = new ReadModel<VmState>("vm", frozen(vmFold));
  ledgers = new ReadModel<Ledger>("ledger", frozen(ledgerFold));
  chassis = new ReadModel<ChassisState>("chassis", frozen(chassisFold));
  quotas = new ReadModel<QuotaState>("quota", frozen(quotaFold));

  alerts = new AlertFolds(frozen);
  drains = new DrainFolds(frozen);

  /** Forgets every event. */
  clear(): void {
    const empty = new Folds();
    this.vms = empty.vms;
    this.ledgers = empty.ledgers;
    this.chassis = empty.chassis;
    this.quotas = empty.quotas;
    this.alerts = empty.alerts;
    this.drains = empty.drains;
  }

  apply(event: StoredEvent, problem: (text: string) => void): void {
    for (const model of [
      this.vms,
      this.ledgers,
      this.chassis,
      this.quotas,
      this.alerts.model,
      this.drains.model,
    ]) {
      if (!event.envelope.subject.startsWith(`${model.kind}/`)) continue;
      try {
        model.apply(event);
      } catch (thrown) {
        problem(`the fold of ${event.envelope.subject} at ${event.seq} failed: ${String(thrown)}`);
      }
    }
  }

  readonly paused = (): string[] =>
    this.existing().flatMap(([vmId, vm]) => (vm.state === "paused" ? [vmId] : []));

  readonly running = (): string[] =>
    this.existing().flatMap(([vmId, vm]) => (vm.state === "running" ? [vmId] : []));

  readonly movable = (): string[] => {
    const runs = this.existing().filter(
      ([, vm]) => vm.state === "running" && !("chassisTypes" in vm.placement),
    );
    return runs.map(([vmId]) => vmId);
  };

  readonly kept = (): { vmId: string; snapshotId: string }[] =>
    this.existing().flatMap(([vmId, vm]) => vm.snapshots.map(({ snapshotId }) => ({ vmId, snapshotId })));

  inhabited(): string[] {
    const homes = this.existing().flatMap(([, vm]) => (vm.state === "running" ? [vm.chassisId ?? ""] : []));
    return [...new Set(homes)].sort();
  }

  existing(): [string, Vm][] {
    return [...this.vms.entries()].flatMap(([vmId, vm]): [string, Vm][] => (vm.exists ? [[vmId, vm]] : []));
  }

  checkRest(nowMs: number, problem: (text: string) => void): void {
    const entries = [...this.ledgers.entries()].flatMap(([chassisId, ledger]) =>
      Object.values(ledger.entries).map((entry) => ({ chassisId, ...entry })),
    );
    for (const [vmId, vm] of this.existing()) {
      if (vm.state === "starting" || vm.state === "stopping") problem(`${vmId} is still ${vm.state}`);
      if (vm.state === "pending") this.#checkWaiting(vmId, vm, nowMs, problem);
      this.#checkShrunk(vmId, vm, problem);
      if (releasableTo(vm) !== undefined) problem(`${vmId} still holds amounts of minutes that have passed`);
      const held = entries.filter((entry) => entry.vmId === vmId);
      const runs = vm.state === "running" || vm.state === "paused";
      if (held.length !== (runs ? 1 : 0)) problem(`${vmId} is ${vm.state} and has ${held.length} entries`);
      if (held.some((entry) => !equalAmounts(entry.amounts, vm.allocation ?? {}))) {
        problem(`${vmId} and its ledger differ: ${JSON.stringify(vm.allocation)}`);
      }
      if (held.some((entry) => entry.phase !== "committed"))
        problem(`${vmId} runs on an entry that is not committed`);
    }
    this.#checkQuotas(entries, problem);
    this.drains.checkRest(this.existing(), this.chassis, problem);
    for (const [chassisId, chassis] of this.chassis.entries()) {
      if (chassis.registered && chassis.lost !== null) problem(`${chassisId} is still lost`);
    }
    for (const entry of entries) {
      if (!this.vms.get(entry.vmId).exists)
        problem(`${entry.chassisId} has an entry for ${entry.vmId}, which does not exist`);
    }
  }

  /** Checks that every quota charges exactly what its VMs hold, and is enforced by now. */
  #checkQuotas(
    entries: readonly { readonly vmId: string; readonly chassisId: string; readonly amounts: Amounts }[],
    problem: (text: string) => void,
  ): void {
    for (const quota of this.quotas.values()) {
      if (!quota.exists) continue;
      if (!quota.enforced) problem(`quota ${quota.label} is not enforced yet`);
      const carries = ({ vmId }: { vmId: string }) => {
        const vm = this.vms.get(vmId);
        return vm.exists && quotaLabelsOf(vm.labels, vm.owner).includes(quota.label);
      };
      const held = sum(entries.filter(carries).map((entry) => entry.amounts));
      if (equalAmounts(held, chargedAmounts(quota))) continue;
      problem(
        `quota ${quota.label} charges ${JSON.stringify(chargedAmounts(quota))}, its VMs hold ${JSON.stringify(held)}`,
      );
    }
  }

  /** Whether a quota has no room for the part of its request that this VM does not hold. */
  #isOverQuota(vm: Vm): boolean {
    const labels = quotaLabelsOf(vm.labels, vm.owner);
    return [...this.quotas.values()].some((quota) => {
      if (!quota.exists || !labels.includes(quota.label)) return false;
      const free = quotaFree(quota);
      return Object.keys(free).some((name) => lackOf(vm, name) > (free[name] ?? 0));
    });
  }

  /** Checks that a waiting VM has a reason, and that the reason is true. */
  #checkWaiting(vmId: string, vm: Vm, nowMs: number, problem: (text: string) => void): void {
    if (vm.refusals.length === 0) problem(`${vmId} waits without a reason`);
    const namesQuota = vm.refusals.some(({ code }) => code === "QUOTA_EXCEEDED");
    if (this.#isOverQuota(vm)) {
      if (!namesQuota) problem(`${vmId} waits for a quota, which its reason does not name: ${vm.reason}`);
      return;
    }
    if (namesQuota) problem(`${vmId} waits for a quota that has room: ${vm.reason}`);
    for (const [chassisId, chassis] of this.chassis.entries()) {
      if (!takes(vm, chassisId, chassis) || this.#isHeldForAnother(vmId, vm, chassisId, nowMs)) continue;
      const ledger = this.ledgers.get(chassisId);
      if (roomFor(vm.request, roomOf(ledger)) !== undefined) continue;
      if (roomFor(vm.request, emptyRoom(chassis)) !== undefined) continue;
      problem(`${vmId} waits while ${chassisId} has room: ${JSON.stringify(freeAmounts(ledger))}`);
    }
    this.#checkNoVictims(vmId, vm, nowMs, problem);
  }

  /**
   * Whether the chassis is rightly held for another VM that the reason of this one names: a VM that has waited long enough,
   * and that fits on the chassis only when others have left.
   */
  #isHeldForAnother(vmId: string, vm: Vm, chassisId: string, nowMs: number): boolean {
    const reason = vm.refusals.find((one) => one.chassisId === chassisId && one.code === "UNAVAILABLE");
    const otherId = /^is held for (\S+), which has waited longer$/.exec(reason?.message ?? "")?.[1];
    const other = otherId === undefined || otherId === vmId ? undefined : this.vms.get(otherId);
    const chassis = this.chassis.get(chassisId);
    if (other?.exists !== true || other.state !== "pending" || other.pendingSinceMs === null) return false;
    const hasAged = nowMs - other.pendingSinceMs >= HOLD_AFTER_MS;
    if (!hasAged || !takes(other, chassisId, chassis)) return false;
    const fits = (room: Room) => roomFor(other.request, room) === undefined;
    return fits(emptyRoom(chassis)) && !fits(roomOf(this.ledgers.get(chassisId)));
  }

  /** Checks that no eviction of VMs with lower priority would make room for this waiting VM. */
  #checkNoVictims(vmId: string, vm: Vm, nowMs: number, problem: (text: string) => void): void {
    for (const [chassisId, chassis] of this.chassis.entries()) {
      if (!takes(vm, chassisId, chassis) || this.#isHeldForAnother(vmId, vm, chassisId, nowMs)) continue;
      const lower = this.existing().filter(
        ([, other]) => other.chassisId === chassisId && other.priority < vm.priority,
      );
      const { free, placesLeft } = roomOf(this.ledgers.get(chassisId));
      const without = sum([free, ...lower.map(([, other]) => other.allocation ?? {})]);
      const misfit = roomFor(vm.request, { free: without, placesLeft: placesLeft + lower.length });
      if (lower.length === 0 || misfit !== undefined) continue;
      const names = lower.map(([otherId]) => otherId).join(", ");
      problem(`${vmId} waits with priority ${vm.priority} while ${names} could give way on ${chassisId}`);
    }
  }

  /** Checks that a preempted VM has its full allocation again where there is room. */
  #checkShrunk(vmId: string, vm: Vm, problem: (text: string) => void): void {
    if (vm.preemption?.active !== true || vm.chassisId === null || vm.allocation === null) return;
    const { free } = roomOf(this.ledgers.get(vm.chassisId));
    if (this.#isOverQuota(vm)) return;
    if (roomFor(vm.request, { free: sum([free, vm.allocation]), placesLeft: 1 }) !== undefined) return;
    problem(`${vmId} is still preempted while ${vm.chassisId} has room for it: ${JSON.stringify(free)}`);
  }
}

function takes(vm: Vm, chassisId: string, chassis: ChassisState): chassis is Chassis {
  return chassis.registered && !chassis.cordoned && mismatchOf(vm, chassisId, chassis) === undefined;
}

function lackOf({ request, allocation }: Vm, name: string): number {
  return (request[name] ?? 0) - (allocation?.[name] ?? 0);
}

/** A fold whose states are frozen, so that an `evolve` that mutates its argument fails. */
function frozen<State>(fold: Fold<State>): Fold<State> {
  return {
    schema: fold.schema,
    initial: deepFreeze(fold.initial),
    evolve: (...args) => deepFreeze(fold.evolve(...args)),
  };
}
