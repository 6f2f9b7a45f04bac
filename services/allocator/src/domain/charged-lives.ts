/**
 * What is charged to a quota, by the life of a VM: one that moves holds on two chassis, and counts once, with the most it has on
 * either. Made once for many questions, because a quota can be for 100 000 VMs.
 */
import { larger, type Quota, type QuotaCharge } from "@bioxen/contracts";
import { type Amounts, add, subtract, sum } from "@bioxen/kernel";

type Charge = Pick<QuotaCharge, "vmId" | "incarnation" | "chassisId" | "amounts">;
type Life = Map<string, Amounts>;

export class ChargedLives {
  /** By VM and incarnation, what is charged on each chassis. */
  readonly #lives = new Map<string, Life>();
  #total: Amounts;

  constructor(quota: Quota) {
    for (const charge of Object.values(quota.charges))
      this.#lifeOf(charge).set(charge.chassisId, charge.amounts);
    this.#total = sum([...this.#lives.values()].map(most));
  }

  /**
   * What `charge` would change; `present`: the one it replaces, maybe of a former life. `before` and `after`: of the lives it
   * concerns; `others`: of all the rest. Nothing is changed until `take`.
   */
  with(charge: Charge, present: Charge | undefined) {
    const own = this.#lifeOf(charge);
    const former = present !== undefined && present.incarnation !== charge.incarnation ? present : undefined;
    const left: Life = former === undefined ? new Map() : this.#lifeOf(former);
    const before = add(most(own), most(left));
    const without = [...left].filter(([chassisId]) => chassisId !== charge.chassisId);
    const after = add(most(new Map(own).set(charge.chassisId, charge.amounts)), most(new Map(without)));
    const others = subtract(this.#total, before);
    const take = () => {
      own.set(charge.chassisId, charge.amounts);
      left.delete(charge.chassisId);
      this.#total = add(others, after);
    };
    return { before, after, others, take };
  }

  #lifeOf({ vmId, incarnation }: Charge): Life {
    const key = `${vmId}#${incarnation}`;
    const known = this.#lives.get(key);
    if (known !== undefined) return known;
    const fresh: Life = new Map();
    this.#lives.set(key, fresh);
    return fresh;
  }
}

function most(life: Life): Amounts {
  return [...life.values()].reduce(larger, {});
}
