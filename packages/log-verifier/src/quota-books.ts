/**
 * Who holds how much under which label, kept a second time: plain sums over plain maps, nothing shared with the allocator.
 *
 * From the event that says so on, a quota holds at every sequence: nothing grows above a limit, and nothing is held that was not
 * charged. What was above a limit when it was lowered may stay. A VM that moves holds in two ledgers, and counts once; it may give
 * up the old place a moment before it has the new one, when that was charged while the old one still was.
 */
import type { QuotaEvent } from "@bioxen/contracts";
import { unsoundAmounts } from "./ledger-account.ts";

type Amounts = Readonly<Record<string, number>>;
type Labels = Readonly<Record<string, string>>;

export interface QuotaBreach {
  readonly rule: "over-quota" | "uncharged" | "amounts" | "unknown-quota";
  readonly message: string;
}

interface Holding {
  readonly incarnation: number;
  readonly amounts: Amounts;
}

/** What a VM brings with it to another chassis: it was charged on the ledger's state `ledgerSeq` in place of what it had elsewhere. */
interface Brought {
  readonly ledgerSeq: number;
  readonly amounts: Amounts;
}

interface Books {
  limits: Amounts;
  /** What holds: the limits, or higher ones before them while what was charged under those is under way. */
  inForce: Amounts;
  counted: boolean;
  readonly charged: Tally;
  readonly held: Tally;
  /** By VM and chassis. */
  readonly brought: Map<string, Brought>;
}

export class QuotaBooks {
  readonly #labels = new Map<string, Labels>();
  readonly #holdings = new Map<string, Holding>();
  /** By label. */
  readonly #quotas = new Map<string, Books>();
  /** The label of each quota's stream: its first event says it. */
  readonly #labelOf = new Map<string, string>();

  created(vmId: string, incarnation: number, labels: Labels = {}): void {
    this.#labels.set(`${vmId}#${incarnation}`, labels);
  }

  /** A ledger's entry is this from now on; null: there is none. */
  hold(vmId: string, chassisId: string, holding: Holding | null): QuotaBreach[] {
    const key = `${vmId}/${chassisId}`;
    if (holding === null) this.#holdings.delete(key);
    else this.#holdings.set(key, holding);
    const out: QuotaBreach[] = [];
    for (const [label, books] of this.#quotas) {
      const is = holding !== null && this.#carries(vmId, holding.incarnation, label) ? holding : null;
      const grown = books.held.put(vmId, chassisId, is);
      if (!books.counted) continue;
      const more = grown.filter(
        (name) => (is?.amounts[name] ?? 0) > (books.brought.get(key)?.amounts[name] ?? 0),
      );
      out.push(...overLimit(label, books.inForce, books.held.totals, more, "held"));
      out.push(...uncovered(label, key, is?.amounts ?? {}, books.charged.at(vmId, chassisId)?.amounts));
      if (is === null) books.brought.delete(key);
    }
    return out;
  }

  observe(id: string, event: QuotaEvent): QuotaBreach[] {
    if (event.type === "bioxen.quota.set.v1") return this.#set(id, event.data.label, event.data.resources);
    const label = this.#labelOf.get(id);
    const books = label === undefined ? undefined : this.#quotas.get(label);
    if (label === undefined || books === undefined) {
      return [{ rule: "unknown-quota", message: `${event.type} of a quota that was never set` }];
    }
    switch (event.type) {
      case "bioxen.quota.enforced.v1":
        for (const { vmId, chassisId, incarnation, amounts } of event.data.charges) {
          books.charged.put(vmId, chassisId, { incarnation, amounts });
        }
        books.counted = true;
        books.inForce = books.limits;
        return this.#allCovered(label, books);
      case "bioxen.quota.charged.v1":
        return event.data.charges.flatMap(({ vmId, incarnation, amounts }) => {
          noteBrought(books, vmId, incarnation, event.data);
          const grown = books.charged.put(vmId, event.data.chassisId, { incarnation, amounts });
          const unsound = unsoundAmounts(amounts).map((message) => ({ rule: "amounts" as const, message }));
          return [...unsound, ...overLimit(label, books.limits, books.charged.totals, grown, "charged")];
        });
      case "bioxen.quota.settled.v1":
        for (const { vmId, chassisId, amounts } of event.data.charges) {
          const before = books.charged.at(vmId, chassisId);
          const after = amounts !== null && before !== undefined ? { ...before, amounts } : null;
          books.charged.put(vmId, chassisId, after);
        }
        return books.counted ? this.#allCovered(label, books) : [];
    }
  }

  #set(id: string, label: string, limits: Amounts): QuotaBreach[] {
    this.#labelOf.set(id, label);
    const books = this.#quotas.get(label);
    if (books !== undefined) {
      books.limits = limits;
      books.inForce = looser(books.inForce, limits);
    } else {
      const fresh: Books = {
        limits,
        inForce: limits,
        counted: false,
        charged: new Tally(),
        held: new Tally(),
        brought: new Map(),
      };
      for (const [key, { incarnation, amounts }] of this.#holdings) {
        const [vmId = "", chassisId = ""] = key.split("/");
        if (this.#carries(vmId, incarnation, label))
          fresh.held.put(vmId, chassisId, { incarnation, amounts });
      }
      this.#quotas.set(label, fresh);
    }
    return unsoundAmounts(limits).map((message) => ({ rule: "amounts", message }));
  }

  #carries(vmId: string, incarnation: number, label: string): boolean {
    const labels = this.#labels.get(`${vmId}#${incarnation}`) ?? {};
    return Object.entries(labels).some(([name, value]) => label === name || label === `${name}=${value}`);
  }

  #allCovered(label: string, books: Books): QuotaBreach[] {
    return [...this.#holdings].flatMap(([key, { incarnation, amounts }]) => {
      const [vmId = "", chassisId = ""] = key.split("/");
      if (!this.#carries(vmId, incarnation, label)) return [];
      return uncovered(label, key, amounts, books.charged.at(vmId, chassisId)?.amounts);
    });
  }
}

/** To be told before the charge is in the books. A second charge on the same state of the ledger keeps what the first one brought. */
function noteBrought(
  { charged, brought }: Books,
  vmId: string,
  incarnation: number,
  { chassisId, ledgerSeq }: { readonly chassisId: string; readonly ledgerSeq: number },
): void {
  const key = `${vmId}/${chassisId}`;
  const before = brought.get(key);
  if (before?.ledgerSeq === ledgerSeq) return;
  brought.set(key, { ledgerSeq, amounts: charged.elsewhere(vmId, chassisId, incarnation) });
}

/** Sums over VMs of what each has on one chassis, the most where it has it on several. */
class Tally {
  /** By VM, then chassis. */
  readonly #byVm = new Map<string, Map<string, Holding>>();
  readonly totals = new Map<string, number>();

  at(vmId: string, chassisId: string): Holding | undefined {
    return this.#byVm.get(vmId)?.get(chassisId);
  }

  /** The most this life of the VM has on any other chassis. */
  elsewhere(vmId: string, chassisId: string, incarnation: number): Amounts {
    const others = [...(this.#byVm.get(vmId) ?? [])].filter(([id]) => id !== chassisId).map(([, one]) => one);
    return counted(others.filter((one) => one.incarnation === incarnation));
  }

  /** Returns the names of what grew. */
  put(vmId: string, chassisId: string, holding: Holding | null): string[] {
    const places = this.#byVm.get(vmId) ?? new Map<string, Holding>();
    const before = counted(places.values());
    if (holding === null) places.delete(chassisId);
    else places.set(chassisId, holding);
    if (places.size === 0) this.#byVm.delete(vmId);
    else this.#byVm.set(vmId, places);
    return change(this.totals, before, counted(places.values()));
  }
}

/** Of one VM: within each of its lives the most of every resource, over its lives the sum. */
function counted(holdings: Iterable<Holding>): Amounts {
  const lives = new Map<number, Map<string, number>>();
  for (const { incarnation, amounts } of holdings) {
    const life = lives.get(incarnation) ?? new Map<string, number>();
    for (const [name, amount] of Object.entries(amounts))
      life.set(name, Math.max(life.get(name) ?? 0, amount));
    lives.set(incarnation, life);
  }
  const out: Record<string, number> = {};
  for (const life of lives.values()) for (const [name, amount] of life) out[name] = (out[name] ?? 0) + amount;
  return out;
}

/** Of each resource the higher limit; one that either does not limit has none. */
function looser(a: Amounts, b: Amounts): Amounts {
  return Object.fromEntries(
    Object.entries(a).flatMap(([name, limit]) =>
      b[name] === undefined ? [] : [[name, Math.max(limit, b[name])] as const],
    ),
  );
}

/** Names of what grew. */
function change(totals: Map<string, number>, was: Amounts, is: Amounts): string[] {
  const grown: string[] = [];
  for (const name of new Set([...Object.keys(was), ...Object.keys(is)])) {
    const by = (is[name] ?? 0) - (was[name] ?? 0);
    totals.set(name, (totals.get(name) ?? 0) + by);
    if (by > 0) grown.push(name);
  }
  return grown;
}

function overLimit(
  label: string,
  limits: Amounts,
  totals: ReadonlyMap<string, number>,
  grown: readonly string[],
  what: string,
): QuotaBreach[] {
  return grown
    .filter((name) => limits[name] !== undefined && (totals.get(name) ?? 0) > limits[name])
    .map((name) => ({
      rule: "over-quota",
      message: `quota ${label}: ${name}: ${totals.get(name)} ${what} of ${limits[name]}`,
    }));
}

function uncovered(label: string, key: string, held: Amounts, charged: Amounts = {}): QuotaBreach[] {
  return Object.entries(held)
    .filter(([name, amount]) => amount > (charged[name] ?? 0))
    .map(([name, amount]) => ({
      rule: "uncharged",
      message: `quota ${label}: ${key} holds ${name} ${amount}, charged are ${charged[name] ?? 0}`,
    }));
}
