/**
 * What is left under quotas while a plan is made: a VM that no quota has room for waits, and is not proposed in vain.
 */
import {
  incarnationKey,
  larger,
  type Misfit,
  mostByIncarnation,
  type Quota,
  quotaFree,
  quotaLabelsOf,
} from "@bioxen/contracts";
import { type Amounts, amountOf, sum } from "@bioxen/kernel";

/** What of a VM quotas ask. */
export interface UnderQuota {
  readonly vmId: string;
  readonly incarnation: number;
  readonly request: Amounts;
  readonly labels: Readonly<Record<string, string>>;
  /** What it holds already where it leaves: counts once until it has moved. */
  readonly holds?: Amounts | undefined;
}

interface QuotaRoom {
  readonly limits: Amounts;
  /** What is charged by life: what a VM has been charged already is not asked of it again. */
  readonly charged: ReadonlyMap<string, Amounts>;
  free: Amounts;
}

export class QuotaRooms {
  readonly #free = new Map<string, QuotaRoom>();

  constructor(quotas: Iterable<Quota> = []) {
    for (const quota of quotas) {
      const charged = mostByIncarnation(Object.values(quota.charges));
      const free = quotaFree(quota, sum(charged.values()));
      this.#free.set(quota.label, { limits: quota.resources, charged, free });
    }
  }

  /** Why it may hold nothing now, wherever; undefined when no quota stands against it. */
  misfitOf(vm: UnderQuota): Misfit | undefined {
    for (const [label, room] of this.#of(vm)) {
      const { limits, free } = room;
      const own = heldBy(vm, room);
      for (const resource of Object.keys(limits).sort()) {
        const holds = amountOf(own, resource);
        const requested = amountOf(vm.request, resource);
        const left = amountOf(free, resource) + holds;
        if (requested <= left || requested <= holds) continue;
        const message = `quota ${label}: ${resource} ${requested} asked, ${left} of ${limits[resource]} free`;
        return { code: "QUOTA_EXCEEDED", message, resource, requested, free: left };
      }
    }
    return undefined;
  }

  /** To come back to with `rollback`. */
  mark(): ReadonlyMap<string, Amounts> {
    return new Map([...this.#free].map(([label, { free }]) => [label, free]));
  }

  rollback(mark: ReadonlyMap<string, Amounts>): void {
    for (const [label, free] of mark) {
      const room = this.#free.get(label);
      if (room !== undefined) room.free = free;
    }
  }

  /** It is placed: what it takes is not there for those that follow. */
  take(vm: UnderQuota): void {
    for (const [, room] of this.#of(vm)) {
      const own = heldBy(vm, room);
      room.free = Object.fromEntries(
        Object.entries(room.free).map(([name, left]) => [
          name,
          Math.max(0, left - Math.max(0, amountOf(vm.request, name) - amountOf(own, name))),
        ]),
      );
    }
  }

  *#of({ labels }: UnderQuota) {
    if (this.#free.size === 0) return;
    for (const label of quotaLabelsOf(labels)) {
      const room = this.#free.get(label);
      if (room !== undefined) yield [label, room] as const;
    }
  }
}

/** What it counts for already: where it leaves, or by a charge that was not used. */
function heldBy(vm: UnderQuota, { charged }: QuotaRoom): Amounts {
  return larger(vm.holds ?? {}, charged.get(incarnationKey(vm)) ?? {});
}
