/**
 * Queries about VMs: answered from the folded state, or from the log for a past sequence.
 */
import {
  type AggregateKind,
  beyondLog,
  chassisFold,
  eventSubject,
  type Handled,
  ledgerFold,
  PAST_LIVENESS,
  type ParsedRequestOf,
  type ResultOf,
  refuse,
  type VmState,
  viewOfChassis,
  viewOfLedger,
  viewOfVm,
  vmFold,
} from "@bioxen/contracts";
import { type Aggregates, type EventLog, type Fold, foldAt } from "@bioxen/kernel";
import { historyOf } from "./history.ts";

export class VmQueries {
  readonly #vms: Aggregates<VmState>;
  readonly #log: EventLog;

  constructor(vms: Aggregates<VmState>, log: EventLog) {
    this.#vms = vms;
    this.#log = log;
  }

  async get({ vmId, atSeq }: ParsedRequestOf<"vmGet">): Promise<Handled<ResultOf<"vmGet">>> {
    if (atSeq !== undefined) return this.#getAt(vmId, atSeq);
    const { state } = await this.#vms.refresh(vmId);
    if (!state.exists) return notFound(vmId);
    return { ok: true, result: { vm: viewOfVm(vmId, state) } };
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

  list(request: ParsedRequestOf<"vmList">): Handled<ResultOf<"vmList">> {
    const vms = [];
    const ids = [...this.#vms.ids()].sort();
    for (const vmId of ids) {
      if (request.cursor !== undefined && vmId <= request.cursor) continue;
      const { state } = this.#vms.get(vmId);
      if (!state.exists || !matches(state, request)) continue;
      if (vms.length === request.limit) {
        return { ok: true, result: { vms, cursor: vms.at(-1)?.vmId ?? null } };
      }
      vms.push(viewOfVm(vmId, state));
    }
    return { ok: true, result: { vms, cursor: null } };
  }

  async history({ vmId }: ParsedRequestOf<"vmHistory">): Promise<Handled<ResultOf<"vmHistory">>> {
    const events = await this.#log.read(this.#vms.streamSubject(vmId), 0);
    if (events.length === 0) return notFound(vmId);
    return { ok: true, result: { events: await historyOf(this.#log, events) } };
  }
}

function notFound(vmId: string, when = "") {
  return refuse("VM_NOT_FOUND", `there is no VM ${vmId}${when}`);
}

function matches(vm: VmState & { exists: true }, request: ParsedRequestOf<"vmList">): boolean {
  if (request.state === undefined ? vm.state === "destroyed" : vm.state !== request.state) return false;
  if (request.chassisId !== undefined && vm.chassisId !== request.chassisId) return false;
  if (request.label === undefined) return true;
  const split = request.label.indexOf("=");
  if (split < 0) return Object.hasOwn(vm.labels, request.label);
  return vm.labels[request.label.slice(0, split)] === request.label.slice(split + 1);
}
