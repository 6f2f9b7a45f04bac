/**
 * What is left under quotas while a plan is made: a VM that no quota has room for waits, and is not proposed in vain.
 */
import { type Misfit, type Quota, quotaFree, quotaLabelsOf } from "@bioxen/contracts";
import { type Amounts, amountOf } from "@bioxen/kernel";

/** What of a VM quotas ask. */
export interface UnderQuota {
  readonly request: Amounts;
  readonly labels: Readonly<Record<string, string>>;
  /** What it holds already where it leaves: counts once until it has moved. */
  readonly holds?: Amounts | undefined;
}

export class QuotaRooms {
  readonly #free = new Map<string, { readonly limits: Amounts; free: Amounts }>();

  constructor(quotas: Iterable<Quota> = []) {
    for (const quota of quotas) {
      this.#free.set(quota.label, { limits: quota.resources, free: quotaFree(quota) });
    }
  }

  /** Why it may hold nothing now, wherever; undefined when no quota stands against it. */
  misfitOf(vm: UnderQuota): Misfit | undefined {
    for (const [label, { limits, free }] of this.#of(vm)) {
      for (const resource of Object.keys(limits).sort()) {
        const holds = amountOf(vm.holds ?? {}, resource);
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
      room.free = Object.fromEntries(
        Object.entries(room.free).map(([name, left]) => [
          name,
          Math.max(0, left - Math.max(0, amountOf(vm.request, name) - amountOf(vm.holds ?? {}, name))),
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
