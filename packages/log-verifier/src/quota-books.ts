/**
 * Who holds how much under which label, kept a second time: plain sums over plain maps, nothing shared with the allocator.
 *
 * From the event that says so on, a quota holds at every sequence: nothing grows above a limit, and nothing is held that was not
 * charged. What was above a limit when it was lowered may stay.
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

interface Books {
  limits: Amounts;
  /** What holds: the limits, or higher ones before them while what was charged under those is under way. */
  inForce: Amounts;
  counted: boolean;
  /** By VM and chassis. */
  readonly charges: Map<string, Amounts>;
  readonly charged: Map<string, number>;
  readonly held: Map<string, number>;
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
    const before = this.#holdings.get(key);
    if (holding === null) this.#holdings.delete(key);
    else this.#holdings.set(key, holding);
    const out: QuotaBreach[] = [];
    for (const [label, books] of this.#quotas) {
      const was =
        before !== undefined && this.#carries(vmId, before.incarnation, label) ? before.amounts : {};
      const is = holding !== null && this.#carries(vmId, holding.incarnation, label) ? holding.amounts : {};
      const grown = change(books.held, was, is);
      if (!books.counted) continue;
      out.push(...overLimit(label, books.inForce, books.held, grown, "held"));
      out.push(...uncovered(label, key, is, books.charges.get(key)));
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
        for (const { vmId, chassisId, amounts } of event.data.charges) {
          charge(books, `${vmId}/${chassisId}`, amounts);
        }
        books.counted = true;
        books.inForce = books.limits;
        return this.#allCovered(label, books);
      case "bioxen.quota.charged.v1":
        return event.data.charges.flatMap(({ vmId, amounts }) => {
          const grown = charge(books, `${vmId}/${event.data.chassisId}`, amounts);
          const unsound = unsoundAmounts(amounts).map((message) => ({ rule: "amounts" as const, message }));
          return [...unsound, ...overLimit(label, books.limits, books.charged, grown, "charged")];
        });
      case "bioxen.quota.settled.v1":
        for (const { vmId, chassisId, amounts } of event.data.charges) {
          charge(books, `${vmId}/${chassisId}`, amounts);
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
        charges: new Map(),
        charged: new Map(),
        held: new Map(),
      };
      for (const [key, { incarnation, amounts }] of this.#holdings) {
        if (this.#carries(vmOf(key), incarnation, label)) change(fresh.held, {}, amounts);
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
    return [...this.#holdings].flatMap(([key, { incarnation, amounts }]) =>
      this.#carries(vmOf(key), incarnation, label)
        ? uncovered(label, key, amounts, books.charges.get(key))
        : [],
    );
  }
}

function vmOf(key: string): string {
  return key.slice(0, key.indexOf("/"));
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

function charge(books: Books, key: string, amounts: Amounts | null): string[] {
  const grown = change(books.charged, books.charges.get(key) ?? {}, amounts ?? {});
  if (amounts === null) books.charges.delete(key);
  else books.charges.set(key, amounts);
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
