/**
 * The total that a quota counts, kept per incarnation of a VM. An incarnation that moves holds resources on two chassis
 * and counts once, with the larger amount of each resource. The totals are built once for many requests, because a
 * quota can cover 100 000 VMs.
 */
import { larger, type Quota, type QuotaCharge } from "@bioxen/contracts";
import { type Amounts, add, subtract, sum } from "@bioxen/kernel";

type Charge = Pick<QuotaCharge, "vmId" | "incarnation" | "chassisId" | "amounts">;
/** The amounts that one incarnation is charged on each chassis. */
type PerChassis = Map<string, Amounts>;

export class ChargedIncarnations {
  readonly #incarnations = new Map<string, PerChassis>();
  #total: Amounts;

  constructor(quota: Quota) {
    for (const charge of Object.values(quota.charges)) {
      this.#chargesOf(charge).set(charge.chassisId, charge.amounts);
    }
    this.#total = sum([...this.#incarnations.values()].map(counted));
  }

  /**
   * Returns how the totals change when `charge` replaces `replaced`. Both belong to one VM, perhaps to different
   * incarnations of it. In the result, `before` and `after` count the incarnations of these two charges; `others` is
   * the sum for all other incarnations of all VMs. The totals change only when `apply` is called.
   */
  with(charge: Charge, replaced: Charge | undefined) {
    const own = this.#chargesOf(charge);
    const isEarlier = replaced !== undefined && replaced.incarnation !== charge.incarnation;
    const earlier: PerChassis = isEarlier ? this.#chargesOf(replaced) : new Map();
    const before = add(counted(own), counted(earlier));
    const ownAfter = new Map(own).set(charge.chassisId, charge.amounts);
    const earlierAfter = new Map([...earlier].filter(([chassisId]) => chassisId !== charge.chassisId));
    const after = add(counted(ownAfter), counted(earlierAfter));
    const others = subtract(this.#total, before);
    const apply = () => {
      own.set(charge.chassisId, charge.amounts);
      earlier.delete(charge.chassisId);
      this.#total = add(others, after);
    };
    return { before, after, others, apply };
  }

  #chargesOf({ vmId, incarnation }: Charge): PerChassis {
    const key = `${vmId}#${incarnation}`;
    const known = this.#incarnations.get(key);
    if (known !== undefined) return known;
    const fresh: PerChassis = new Map();
    this.#incarnations.set(key, fresh);
    return fresh;
  }
}

function counted(charges: PerChassis): Amounts {
  return [...charges.values()].reduce(larger, {});
}
