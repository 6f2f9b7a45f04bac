/**
 * The room under quotas while a plan is made. A VM without room under a quota is deferred, because the allocator would
 * refuse it.
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

/** The fields of a VM that decide whether it fits within its quotas. */
export interface UnderQuota {
  readonly vmId: string;
  readonly incarnation: number;
  readonly request: Amounts;
  readonly labels: Readonly<Record<string, string>>;
  /** The owner; undefined when it is not known, as for a VM of a recorded log. */
  readonly owner?: string | undefined;
  /**
   * The amounts that a moving VM holds on the chassis that it leaves. A quota counts a moving VM once, not on both
   * chassis.
   */
  readonly holds?: Amounts | undefined;
}

interface QuotaRoom {
  readonly limits: Amounts;
  /** The charged amounts by incarnation of a VM. A VM needs free quota only for the amounts above its own charge. */
  readonly charged: ReadonlyMap<string, Amounts>;
  free: Amounts;
}

export class QuotaRooms {
  readonly #free = new Map<string, QuotaRoom>();

  readonly #closed: ReadonlyMap<string, Misfit>;

  /** `closed` has the labels of quotas that can charge no VM at all, each with the reason. */
  constructor(quotas: Iterable<Quota> = [], closed: ReadonlyMap<string, Misfit> = new Map()) {
    this.#closed = closed;
    for (const quota of quotas) {
      const charged = mostByIncarnation(Object.values(quota.charges));
      const free = quotaFree(quota, sum(charged.values()));
      this.#free.set(quota.label, { limits: quota.resources, charged, free });
    }
  }

  /** Returns why a quota refuses the VM at present, on every chassis; undefined when no quota refuses it. */
  misfitOf(vm: UnderQuota): Misfit | undefined {
    const closed = this.#closedFor(vm);
    if (closed !== undefined) return closed;
    for (const [label, room] of this.#of(vm)) {
      const { limits, free } = room;
      const own = countedFor(vm, room);
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

  /** Returns the present free amounts of all quotas, for `rollback`. */
  mark(): ReadonlyMap<string, Amounts> {
    return new Map([...this.#free].map(([label, { free }]) => [label, free]));
  }

  rollback(mark: ReadonlyMap<string, Amounts>): void {
    for (const [label, free] of mark) {
      const room = this.#free.get(label);
      if (room !== undefined) room.free = free;
    }
  }

  /** Deducts the amounts of a VM that was placed from the free amounts of its quotas. */
  take(vm: UnderQuota): void {
    for (const [, room] of this.#of(vm)) {
      const own = countedFor(vm, room);
      room.free = Object.fromEntries(
        Object.entries(room.free).map(([name, left]) => [
          name,
          Math.max(0, left - Math.max(0, amountOf(vm.request, name) - amountOf(own, name))),
        ]),
      );
    }
  }

  #closedFor({ labels, owner }: UnderQuota): Misfit | undefined {
    if (this.#closed.size === 0) return undefined;
    for (const label of quotaLabelsOf(labels, owner))
      if (this.#closed.has(label)) return this.#closed.get(label);
    return undefined;
  }

  *#of({ labels, owner }: UnderQuota) {
    if (this.#free.size === 0) return;
    for (const label of quotaLabelsOf(labels, owner)) {
      const room = this.#free.get(label);
      if (room !== undefined) yield [label, room] as const;
    }
  }
}

/**
 * Returns the amounts that the quota already counts for the VM. For each resource, this is the larger of two amounts:
 * the VM's amount on the chassis from which it moves, and the VM's unused charge.
 */
function countedFor(vm: UnderQuota, { charged }: QuotaRoom): Amounts {
  return larger(vm.holds ?? {}, charged.get(incarnationKey(vm)) ?? {});
}
