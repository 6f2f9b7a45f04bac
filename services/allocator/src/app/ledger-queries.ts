/**
 * Queries of ledgers, in pages: a ledger has an entry for every VM of its chassis.
 */
import {
  beyondLog,
  done,
  ENDPOINTS,
  type Handled,
  type Ledger,
  type ParsedRequestOf,
  type ResultOf,
  refuse,
  type StatePages,
  viewOfLedger,
} from "@bioxen/contracts";
import type { Aggregates, EventLog } from "@bioxen/kernel";

export class LedgerQueries {
  readonly #ledgers: Aggregates<Ledger>;
  readonly #log: EventLog;
  readonly #pages: StatePages<Ledger>;

  constructor(ledgers: Aggregates<Ledger>, log: EventLog, pages: StatePages<Ledger>) {
    this.#ledgers = ledgers;
    this.#log = log;
    this.#pages = pages;
  }

  async get(
    request: ParsedRequestOf<"ledgerGet">,
    maxBytes: number,
  ): Promise<Handled<ResultOf<"ledgerGet">>> {
    const { chassisId, atSeq } = request;
    const beyond = atSeq === undefined ? undefined : await beyondLog(this.#log, atSeq);
    if (beyond !== undefined) return beyond;
    if (atSeq === undefined && request.cursor === undefined) await this.#ledgers.refresh(chassisId);
    return this.#pages.within<ResultOf<"ledgerGet">>(request, maxBytes, {
      shape: ENDPOINTS.ledgerGet.pages ?? {},
      name: chassisId,
      ids: [chassisId],
      atSeq,
      result: ([ledger]) =>
        ledger?.open
          ? done({ ledger: viewOfLedger(chassisId, ledger) })
          : refuse("CHASSIS_NOT_FOUND", `chassis ${chassisId} has no ledger`),
    });
  }

  list(request: ParsedRequestOf<"ledgerList">, maxBytes: number): Promise<Handled<ResultOf<"ledgerList">>> {
    return this.#pages.many<ResultOf<"ledgerList">>(request, maxBytes, {
      shape: ENDPOINTS.ledgerList.pages ?? {},
      empty: { ledgers: [], cursor: null },
      fragment: (chassisId, ledger) =>
        ledger.open ? { ledgers: [viewOfLedger(chassisId, ledger)], cursor: null } : undefined,
    });
  }
}
