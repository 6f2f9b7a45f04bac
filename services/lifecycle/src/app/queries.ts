/**
 * Queries about VMs: answered from the folded state, or from the log for a past sequence.
 */
import {
  type AggregateKind,
  beyondLog,
  chassisFold,
  cursorOf,
  ENDPOINTS,
  eventSubject,
  type Handled,
  ledgerFold,
  PAST_LIVENESS,
  type ParsedRequestOf,
  pageOfWhole,
  type ResultOf,
  refuse,
  type StatePages,
  type VmState,
  viewOfChassis,
  viewOfLedger,
  viewOfVm,
  vmFold,
} from "@bioxen/contracts";
import { type Aggregates, type EventLog, type Fold, foldAt } from "@bioxen/kernel";
import { VmHistories } from "./history.ts";

export class VmQueries {
  readonly #vms: Aggregates<VmState>;
  readonly #log: EventLog;
  readonly #pages: StatePages<VmState>;
  readonly #histories: VmHistories;

  constructor(vms: Aggregates<VmState>, log: EventLog, pages: StatePages<VmState>) {
    this.#vms = vms;
    this.#log = log;
    this.#pages = pages;
    this.#histories = new VmHistories(log);
  }

  async get(request: ParsedRequestOf<"vmGet">, maxBytes: number): Promise<Handled<ResultOf<"vmGet">>> {
    const { vmId } = request;
    if (request.atSeq !== undefined || request.cursor !== undefined) return this.#pageAt(request, maxBytes);
    const { state } = await this.#vms.refresh(vmId);
    if (!state.exists) return notFound(vmId);
    return { ok: true, result: { vm: viewOfVm(vmId, state) } };
  }

  /** Returns one page of a past state. The entries of the ledger may need several pages. */
  async #pageAt(request: ParsedRequestOf<"vmGet">, maxBytes: number): Promise<Handled<ResultOf<"vmGet">>> {
    const { vmId } = request;
    const start = await this.#pages.start(request.cursor, request.atSeq);
    if (!start.ok) return start;
    const { seq, index: firstIndex } = start.position;
    const whole = await this.#getAt(vmId, seq);
    if (!whole.ok) return whole;
    const shape = ENDPOINTS.vmGet.pages ?? {};
    const page = pageOfWhole(whole.result, { shape, request, maxBytes, firstIndex }, (index) =>
      cursorOf({ seq, id: vmId, index }),
    );
    if (!page.ok) return page;
    // The result has a cursor only when the entries of the ledger continue on another page.
    const { cursor, ...result } = page.result as typeof whole.result & { cursor: string | null };
    return { ok: true, result: cursor === null ? result : { ...result, cursor } };
  }

  /** Returns the VM with the ledger and the chassis of its place, all in their states after the event `atSeq`. */
  async #getAt(vmId: string, atSeq: number): Promise<Handled<ResultOf<"vmGet">>> {
    const beyond = await beyondLog(this.#log, atSeq);
    if (beyond !== undefined) return beyond;
    const state = await this.#foldAt("vm", vmId, vmFold, atSeq);
    if (!state.exists) return notFound(vmId, ` at sequence ${atSeq}`);
    const vm = viewOfVm(vmId, state);
    const { chassisId } = state;
    if (chassisId === null) return { ok: true, result: { vm, ledger: null, chassis: null } };
    const [ledger, chassis] = await Promise.all([
      this.#foldAt("ledger", chassisId, ledgerFold, atSeq),
      this.#foldAt("chassis", chassisId, chassisFold, atSeq),
    ]);
    return {
      ok: true,
      result: {
        vm,
        ledger: ledger.open ? viewOfLedger(chassisId, ledger) : null,
        chassis: chassis.registered ? viewOfChassis(chassisId, chassis, PAST_LIVENESS) : null,
      },
    };
  }

  #foldAt<State>(kind: AggregateKind, id: string, fold: Fold<State>, atSeq: number): Promise<State> {
    return foldAt(this.#log, eventSubject(kind, id), fold, atSeq);
  }

  list(request: ParsedRequestOf<"vmList">, maxBytes: number): Promise<Handled<ResultOf<"vmList">>> {
    return this.#pages.many<ResultOf<"vmList">>(request, maxBytes, {
      shape: ENDPOINTS.vmList.pages ?? {},
      empty: { vms: [], cursor: null },
      fragment: (vmId, state) =>
        state.exists && matches(state, request) ? { vms: [viewOfVm(vmId, state)], cursor: null } : undefined,
    });
  }

  async history(
    request: ParsedRequestOf<"vmHistory">,
    maxBytes: number,
  ): Promise<Handled<ResultOf<"vmHistory">>> {
    const start = await this.#pages.start(request.cursor);
    if (!start.ok) return start;
    const { isFirst, position } = start;
    const page = {
      vmId: request.vmId,
      seq: position.seq,
      afterSeq: position.index,
      limit: request.limit,
      maxBytes,
    };
    return (await this.#histories.page(page, isFirst)) ?? notFound(request.vmId);
  }
}

function notFound(vmId: string, when = "") {
  return refuse("VM_NOT_FOUND", `there is no VM ${vmId}${when}`);
}

function matches(vm: VmState & { exists: true }, request: ParsedRequestOf<"vmList">): boolean {
  if (request.state === undefined ? vm.state === "destroyed" : vm.state !== request.state) return false;
  if (request.owner !== undefined && vm.owner !== request.owner) return false;
  if (request.chassisId !== undefined && vm.chassisId !== request.chassisId) return false;
  if (request.label === undefined) return true;
  const split = request.label.indexOf("=");
  if (split < 0) return Object.hasOwn(vm.labels, request.label);
  return vm.labels[request.label.slice(0, split)] === request.label.slice(split + 1);
}
