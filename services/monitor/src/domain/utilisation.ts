/**
 * Utilisation of ledgers: the reserved share of their offer, per resource.
 */
import { heldAmounts, type Ledger } from "@bioxen/contracts";
import { type Amounts, add, amountOf, NO_AMOUNTS } from "@bioxen/kernel";

export interface ResourceUse {
  readonly capacity: number;
  readonly offered: number;
  readonly reserved: number;
  /** Reserved share of the offer in permille, rounded; 0 when nothing is offered. */
  readonly permille: number;
}

export function utilisationOf(ledgers: readonly Ledger[]): Record<string, ResourceUse> {
  let capacity: Amounts = NO_AMOUNTS;
  let offered: Amounts = NO_AMOUNTS;
  let reserved: Amounts = NO_AMOUNTS;
  for (const ledger of ledgers) {
    capacity = add(capacity, ledger.capacity);
    offered = add(offered, ledger.offered);
    reserved = add(reserved, heldAmounts(ledger));
  }
  const out: Record<string, ResourceUse> = {};
  for (const name of Object.keys(capacity).sort()) {
    const whole = amountOf(offered, name);
    const held = amountOf(reserved, name);
    const permille = whole === 0 ? 0 : Math.round((held * 1000) / whole);
    out[name] = { capacity: amountOf(capacity, name), offered: whole, reserved: held, permille };
  }
  return out;
}

/** Returns only the reserved shares, in permille per resource. */
export function permilleOf(uses: Readonly<Record<string, ResourceUse>>): Record<string, number> {
  return Object.fromEntries(Object.entries(uses).map(([name, { permille }]) => [name, permille]));
}
