/**
 * The accounts of all chassis, and the rules of ledger events: an entry exists before it is committed, released or
 * expired, a VM has one entry per ledger, no ledger is above its offer, and the lease tokens of proposers never
 * decrease. A recorded token that no lease can have had at the time of its event is forged, and is a violation. Later
 * tokens are not compared with a forged token, because the services ignore forged tokens too.
 */
import type { LedgerEvent } from "@bioxen/contracts";
import { isPossibleToken } from "@bioxen/kernel";
import { type Holding, LedgerAccount, unsoundAmounts } from "./ledger-account.ts";
import type { QuotaAccounts } from "./quota-accounts.ts";
import type { ReportViolation } from "./report.ts";

type Settling = Extract<
  LedgerEvent,
  { type: "bioxen.ledger.released.v1" | "bioxen.ledger.expired.v1" }
>["data"];
type Reserved = Extract<LedgerEvent, { type: "bioxen.ledger.reserved.v1" }>["data"];
type Resized = Extract<LedgerEvent, { type: "bioxen.ledger.resized.v1" }>["data"];

/** The position of an event in the log, and its time in epoch ms. */
export interface LedgerPosition {
  readonly seq: number;
  readonly atMs: number;
}

export class LedgerRecords {
  readonly #accounts = new Map<string, LedgerAccount>();
  readonly #quotas: QuotaAccounts;
  /** The newest lease token of all ledgers. After a clock was set back, later tokens continue from this number. */
  #newestToken = 0;

  constructor(quotas: QuotaAccounts) {
    this.#quotas = quotas;
  }

  /** Returns the VM's holding on this chassis under this fence; undefined when the ledger has no such holding. */
  held(vmId: string, chassisId: string, fence: number): Holding | undefined {
    return this.#accounts.get(chassisId)?.held(vmId, fence);
  }

  /**
   * Returns the ids of all chassis on which the VM has a committed allocation. The allocation with the fence
   * `leftFence` does not count, because the VM has left that allocation in a move.
   */
  allocatedOn(vmId: string, leftFence: number | null): string[] {
    return [...this.#accounts].flatMap(([chassisId, account]) => {
      const held = account.holdings.get(vmId);
      return held?.committed === true && held.fence !== leftFence ? [chassisId] : [];
    });
  }

  /** Applies the event at this position and reports its violations. */
  observe(chassisId: string, at: LedgerPosition, body: LedgerEvent, report: ReportViolation): void {
    const account = this.#accounts.get(chassisId) ?? new LedgerAccount();
    this.#accounts.set(chassisId, account);
    switch (body.type) {
      case "bioxen.ledger.opened.v1":
      case "bioxen.ledger.capacity-changed.v1":
        checkAmounts(body.data.offered, report);
        account.offered = body.data.offered;
        account.maxVms = body.data.maxVms;
        break;
      case "bioxen.ledger.reserved.v1":
        this.#reserved(chassisId, account, at, body.data, report);
        break;
      case "bioxen.ledger.committed.v1":
        for (const { vmId, fence } of body.data.entries) {
          const held = account.held(vmId, fence);
          if (held === undefined) report("unknown-entry", `${vmId} #${fence} is not held`);
          else held.committed = true;
        }
        break;
      case "bioxen.ledger.released.v1":
      case "bioxen.ledger.expired.v1":
        this.#settled(chassisId, account, body.data, report);
        break;
      case "bioxen.ledger.resized.v1":
        this.#resized(chassisId, account, body.data, report);
        break;
      case "bioxen.ledger.fenced.v1":
        break;
      case "bioxen.ledger.closed.v1":
        account.offered = {};
        account.maxVms = 0;
        break;
    }
    for (const overdraft of account.overdrafts()) report("over-offer", overdraft);
  }

  #reserved(
    chassisId: string,
    account: LedgerAccount,
    { seq, atMs }: LedgerPosition,
    { proposerToken = 0, reservations }: Reserved,
    report: ReportViolation,
  ): void {
    if (proposerToken < account.proposerToken) {
      const message = `a proposal under lease ${proposerToken} is reserved after one under lease ${account.proposerToken}`;
      report("stale-proposer", message);
    }
    if (proposerToken > 0 && !isPossibleToken(proposerToken, { nowMs: atMs, newest: this.#newestToken })) {
      report("unissued-token", `no lease can have had the token ${proposerToken} then: it was forged`);
    } else {
      account.proposerToken = Math.max(account.proposerToken, proposerToken);
      this.#newestToken = Math.max(this.#newestToken, proposerToken);
    }
    for (const { vmId, incarnation, amounts } of reservations) {
      checkAmounts(amounts, report);
      if (account.holdings.has(vmId)) report("two-allocations", `${vmId} has an entry already`);
      account.holdings.set(vmId, { incarnation, fence: seq, amounts, before: [], committed: false });
      this.#hold(vmId, chassisId, { incarnation, amounts }, report);
    }
  }

  #settled(chassisId: string, account: LedgerAccount, { entries }: Settling, report: ReportViolation): void {
    for (const { vmId, fence } of entries) {
      if (account.held(vmId, fence) === undefined) {
        report("unknown-entry", `${vmId} #${fence} is not held`);
      } else {
        account.holdings.delete(vmId);
        this.#quotas.hold(vmId, chassisId, null);
      }
    }
  }

  #resized(
    chassisId: string,
    account: LedgerAccount,
    { vmId, fence, amounts }: Resized,
    report: ReportViolation,
  ): void {
    checkAmounts(amounts, report);
    const held = account.held(vmId, fence);
    if (held === undefined) {
      report("unknown-entry", `${vmId} is not held`);
      return;
    }
    held.before.push(held.amounts);
    held.amounts = amounts;
    this.#hold(vmId, chassisId, held, report);
  }

  #hold(
    vmId: string,
    chassisId: string,
    { incarnation, amounts }: Pick<Holding, "incarnation" | "amounts">,
    report: ReportViolation,
  ): void {
    for (const { rule, message } of this.#quotas.hold(vmId, chassisId, { incarnation, amounts })) {
      report(rule, message);
    }
  }
}

/** Reports each amount that is not a non-negative integer. */
export function checkAmounts(amounts: Readonly<Record<string, number>>, report: ReportViolation): void {
  for (const problem of unsoundAmounts(amounts)) report("amounts", problem);
}
