/**
 * The accounts of all quotas, computed a second time: plain sums over plain maps, without any code of the allocator.
 *
 * After its `enforced` event, a quota holds at every sequence: no amount grows above a limit, and ledgers hold only
 * amounts that were charged to the quota. When a limit is lowered, amounts that are then above the limit may stay. A VM
 * that moves holds amounts in two ledgers and counts once. The VM may give up the old place a moment before it gets the
 * new one, if the new place was charged while the VM still held the old one.
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

/**
 * The amounts that a moving VM may take to a target chassis even if a limit was lowered below them. They are the VM's
 * largest charge on any other chassis at the moment when the VM was charged for the target. `ledgerSeq` is the sequence
 * of the last event of the target's ledger at that moment.
 */
interface CarriedOver {
  readonly ledgerSeq: number;
  readonly amounts: Amounts;
}

interface QuotaAccount {
  limits: Amounts;
  /**
   * The limits for the amounts in ledgers: `limits`, or higher earlier limits. Earlier limits count until the next
   * `enforced` event, because amounts charged under them may still reach a ledger.
   */
  inForce: Amounts;
  /** True once all amounts that VMs held before the quota existed are charged to it. */
  counted: boolean;
  readonly charged: VmTotals;
  readonly held: VmTotals;
  /** The amounts that each VM may carry over to each target chassis, by `vmId/chassisId`. */
  readonly carriedOver: Map<string, CarriedOver>;
}

export class QuotaAccounts {
  readonly #labels = new Map<string, Labels>();
  readonly #holdings = new Map<string, Holding>();
  /** Accounts by label. */
  readonly #quotas = new Map<string, QuotaAccount>();
  /** The label of each quota by the quota's id; set at the quota's first event. */
  readonly #labelOf = new Map<string, string>();

  /** Records the labels of a new incarnation of the VM. */
  created(vmId: string, incarnation: number, labels: Labels = {}): void {
    this.#labels.set(`${vmId}#${incarnation}`, labels);
  }

  /**
   * Applies a change of a VM's ledger entry and returns the quota breaches that it causes. `holding` is null when the
   * entry has ended.
   */
  hold(vmId: string, chassisId: string, holding: Holding | null): QuotaBreach[] {
    const key = `${vmId}/${chassisId}`;
    if (holding === null) this.#holdings.delete(key);
    else this.#holdings.set(key, holding);
    const out: QuotaBreach[] = [];
    for (const [label, account] of this.#quotas) {
      const is = holding !== null && this.#carries(vmId, holding.incarnation, label) ? holding : null;
      const grown = account.held.put(vmId, chassisId, is);
      if (!account.counted) continue;
      const more = grown.filter(
        (name) => (is?.amounts[name] ?? 0) > (account.carriedOver.get(key)?.amounts[name] ?? 0),
      );
      out.push(...overLimit(label, account.inForce, account.held.totals, more, "held"));
      out.push(...uncovered(label, key, is?.amounts ?? {}, account.charged.at(vmId, chassisId)?.amounts));
      if (is === null) account.carriedOver.delete(key);
    }
    return out;
  }

  /** Applies an event of the quota with this id and returns the quota breaches that the event causes. */
  observe(id: string, event: QuotaEvent): QuotaBreach[] {
    if (event.type === "bioxen.quota.set.v1") return this.#set(id, event.data.label, event.data.resources);
    const label = this.#labelOf.get(id);
    const account = label === undefined ? undefined : this.#quotas.get(label);
    if (label === undefined || account === undefined) {
      return [{ rule: "unknown-quota", message: `${event.type} of a quota that was never set` }];
    }
    switch (event.type) {
      case "bioxen.quota.enforced.v1":
        for (const { vmId, chassisId, incarnation, amounts } of event.data.charges) {
          account.charged.put(vmId, chassisId, { incarnation, amounts });
        }
        if (event.data.partial === true) return [];
        account.counted = true;
        account.inForce = account.limits;
        return this.#allCovered(label, account);
      case "bioxen.quota.charged.v1":
        return event.data.charges.flatMap(({ vmId, incarnation, amounts }) => {
          noteCarriedOver(account, vmId, incarnation, event.data);
          const grown = account.charged.put(vmId, event.data.chassisId, { incarnation, amounts });
          const unsound = unsoundAmounts(amounts).map((message) => ({ rule: "amounts" as const, message }));
          return [...unsound, ...overLimit(label, account.limits, account.charged.totals, grown, "charged")];
        });
      case "bioxen.quota.settled.v1":
        for (const { vmId, chassisId, amounts } of event.data.charges) {
          const before = account.charged.at(vmId, chassisId);
          const after = amounts !== null && before !== undefined ? { ...before, amounts } : null;
          account.charged.put(vmId, chassisId, after);
        }
        return account.counted ? this.#allCovered(label, account) : [];
    }
  }

  #set(id: string, label: string, limits: Amounts): QuotaBreach[] {
    this.#labelOf.set(id, label);
    const account = this.#quotas.get(label);
    if (account !== undefined) {
      account.limits = limits;
      account.inForce = looser(account.inForce, limits);
    } else {
      const fresh: QuotaAccount = {
        limits,
        inForce: limits,
        counted: false,
        charged: new VmTotals(),
        held: new VmTotals(),
        carriedOver: new Map(),
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

  #allCovered(label: string, account: QuotaAccount): QuotaBreach[] {
    return [...this.#holdings].flatMap(([key, { incarnation, amounts }]) => {
      const [vmId = "", chassisId = ""] = key.split("/");
      if (!this.#carries(vmId, incarnation, label)) return [];
      return uncovered(label, key, amounts, account.charged.at(vmId, chassisId)?.amounts);
    });
  }
}

/**
 * Records the amounts that the VM may carry over to the chassis for which it is being charged. Call this function
 * before the charge is applied. If the VM is charged again before the ledger changes, the first recorded amounts stay.
 */
function noteCarriedOver(
  { charged, carriedOver }: QuotaAccount,
  vmId: string,
  incarnation: number,
  { chassisId, ledgerSeq }: { readonly chassisId: string; readonly ledgerSeq: number },
): void {
  const key = `${vmId}/${chassisId}`;
  const before = carriedOver.get(key);
  if (before?.ledgerSeq === ledgerSeq) return;
  carriedOver.set(key, { ledgerSeq, amounts: charged.elsewhere(vmId, chassisId, incarnation) });
}

/** Totals over all VMs. An incarnation with holdings on several chassis counts once, with its largest amounts. */
class VmTotals {
  /** Holdings by VM, then by chassis. */
  readonly #byVm = new Map<string, Map<string, Holding>>();
  readonly totals = new Map<string, number>();

  at(vmId: string, chassisId: string): Holding | undefined {
    return this.#byVm.get(vmId)?.get(chassisId);
  }

  /** Returns, per resource, the largest amount of this incarnation of the VM on a chassis other than `chassisId`. */
  elsewhere(vmId: string, chassisId: string, incarnation: number): Amounts {
    const others = [...(this.#byVm.get(vmId) ?? [])].filter(([id]) => id !== chassisId).map(([, one]) => one);
    return counted(others.filter((one) => one.incarnation === incarnation));
  }

  /** Sets the VM's holding on one chassis; null removes the holding. Returns the resources whose total grew. */
  put(vmId: string, chassisId: string, holding: Holding | null): string[] {
    const places = this.#byVm.get(vmId) ?? new Map<string, Holding>();
    const before = counted(places.values());
    if (holding === null) places.delete(chassisId);
    else places.set(chassisId, holding);
    if (places.size === 0) this.#byVm.delete(vmId);
    else this.#byVm.set(vmId, places);
    return applyChange(this.totals, before, counted(places.values()));
  }
}

/**
 * Returns what the holdings of one VM add to the totals. Each incarnation counts once, with its largest amount of each
 * resource; the amounts of several incarnations are summed.
 */
function counted(holdings: Iterable<Holding>): Amounts {
  const largest = new Map<number, Map<string, number>>();
  for (const { incarnation, amounts } of holdings) {
    const most = largest.get(incarnation) ?? new Map<string, number>();
    for (const [name, amount] of Object.entries(amounts))
      most.set(name, Math.max(most.get(name) ?? 0, amount));
    largest.set(incarnation, most);
  }
  const out: Record<string, number> = {};
  for (const most of largest.values())
    for (const [name, amount] of most) out[name] = (out[name] ?? 0) + amount;
  return out;
}

/**
 * Returns the higher limit of `a` and `b` for each resource. A resource without a limit in one of them is unlimited.
 */
function looser(a: Amounts, b: Amounts): Amounts {
  return Object.fromEntries(
    Object.entries(a).flatMap(([name, limit]) =>
      b[name] === undefined ? [] : [[name, Math.max(limit, b[name])] as const],
    ),
  );
}

/** Changes the totals by the difference between a VM's amounts `was` and `is`, and returns the resources that grew. */
function applyChange(totals: Map<string, number>, was: Amounts, is: Amounts): string[] {
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
      message: `quota ${label}: ${key} holds ${name} ${amount}, but only ${charged[name] ?? 0} is charged`,
    }));
}
