/**
 * Questions about VMs, answered from the folds, or from the log for the past.
 */
import {
  type Handled,
  type ParsedRequestOf,
  type ResultOf,
  refuse,
  type VmState,
  viewOfVm,
  vmFold,
} from "@bioxen/contracts";
import { type Aggregates, type EventLog, foldAll } from "@bioxen/kernel";

export class VmQueries {
  readonly #vms: Aggregates<VmState>;
  readonly #log: EventLog;

  constructor(vms: Aggregates<VmState>, log: EventLog) {
    this.#vms = vms;
    this.#log = log;
  }

  async get({ vmId, atSeq }: ParsedRequestOf<"vmGet">): Promise<Handled<ResultOf<"vmGet">>> {
    const state = atSeq === undefined ? (await this.#vms.refresh(vmId)).state : await this.#asOf(vmId, atSeq);
    if (!state.exists) {
      const when = atSeq === undefined ? "" : ` at sequence ${atSeq}`;
      return refuse("VM_NOT_FOUND", `there is no VM ${vmId}${when}`);
    }
    return { ok: true, result: { vm: viewOfVm(vmId, state) } };
  }

  async #asOf(vmId: string, atSeq: number): Promise<VmState> {
    const events = await this.#log.read(this.#vms.streamSubject(vmId), 0);
    return foldAll(
      vmFold,
      events.filter((event) => event.seq <= atSeq),
    );
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
    if (events.length === 0) return refuse("VM_NOT_FOUND", `there is no VM ${vmId}`);
    return { ok: true, result: { events: events.map(({ seq, envelope }) => ({ seq, ...envelope })) } };
  }
}

function matches(vm: VmState & { exists: true }, request: ParsedRequestOf<"vmList">): boolean {
  if (request.state === undefined ? vm.state === "destroyed" : vm.state !== request.state) return false;
  if (request.chassisId !== undefined && vm.chassisId !== request.chassisId) return false;
  if (request.label === undefined) return true;
  const split = request.label.indexOf("=");
  if (split < 0) return Object.hasOwn(vm.labels, request.label);
  return vm.labels[request.label.slice(0, split)] === request.label.slice(split + 1);
}
