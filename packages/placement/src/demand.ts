/**
 * The demand of a log: which VMs requested places and when, and which chassis existed. The demand does not depend on
 * the scheduler.
 *
 * A VM requests a place with `start-requested`, and again with `displaced`. A lost chassis, a dead agent and a start
 * that took too long all appear as `displaced`, because the log does not record heartbeats. The VM withdraws with
 * `stop-requested`, and leaves with `stopped`, `failed` or `destroyed`. In a replay the VM leaves at the recorded time
 * even if it has waited longer: its run is then shorter. Placements (`placed`) are decisions of the recorded scheduler
 * and no part of the demand. The same holds for the resources that a VM gave up to a higher priority and got back
 * (`held`).
 */
import {
  type ChassisState,
  chassisFold,
  domainEventOf,
  type Vm,
  type VmEvent,
  type VmState,
  vmFold,
} from "@bioxen/contracts";
import { type Amounts, positionOf, type StoredEvent } from "@bioxen/kernel";
import { type WaitingVm, waitingVm } from "./snapshot.ts";

export type Happening =
  | { readonly kind: "requested"; readonly vm: WaitingVm }
  | { readonly kind: "withdrew" | "left"; readonly vmId: string }
  | { readonly kind: "resized"; readonly vmId: string; readonly amounts: Amounts }
  /** From this step on, the VM holds only `amounts` of its request. With null, the VM holds nothing and waits again. */
  | { readonly kind: "held"; readonly vm: WaitingVm; readonly amounts: Amounts | null }
  | { readonly kind: "placed"; readonly vmId: string; readonly chassisId: string }
  | { readonly kind: "chassis"; readonly chassisId: string; readonly chassis: ChassisState };

export type DemandStep = Happening & { readonly seq: number; readonly atMs: number };

/**
 * Reads the events of a log in order. `read` returns the change of the demand that an event makes, or undefined when
 * the event changes nothing.
 */
export class DemandReader {
  readonly #vms = new Map<string, VmState>();
  readonly #chassis = new Map<string, ChassisState>();
  #atMs = 0;

  /** Latest time of the events read so far, ms. It never decreases. */
  get atMs(): number {
    return this.#atMs;
  }

  read(event: StoredEvent): DemandStep | undefined {
    const happened = domainEventOf(event.envelope);
    const { kind, id } = happened;
    const at = positionOf(event);
    // The services have different clocks: an event can have an earlier time than the event before it.
    this.#atMs = Math.max(this.#atMs, at.atMs);
    const place = { seq: event.seq, atMs: this.#atMs };
    if (kind === "chassis") {
      const chassis = chassisFold.evolve(this.#chassis.get(id) ?? chassisFold.initial, event.envelope, at);
      this.#chassis.set(id, chassis);
      return { kind: "chassis", chassisId: id, chassis, ...place };
    }
    if (happened.kind !== "vm") return undefined;
    const vm = vmFold.evolve(this.#vms.get(id) ?? vmFold.initial, event.envelope, at);
    this.#vms.set(id, vm);
    const happening = vm.exists ? happeningOf(id, vm, happened, this.#atMs) : undefined;
    return happening && { ...happening, ...place };
  }
}

function happeningOf(vmId: string, vm: Vm, event: VmEvent, atMs: number): Happening | undefined {
  switch (event.type) {
    case "bioxen.vm.start-requested.v1":
      return { kind: "requested", vm: waitingVm(vmId, vm, atMs) };
    case "bioxen.vm.displaced.v2": {
      const waiting = waitingVm(vmId, vm, atMs);
      return event.data.code === "PREEMPTED"
        ? { kind: "held", vm: waiting, amounts: null }
        : { kind: "requested", vm: waiting };
    }
    case "bioxen.vm.preempted.v1":
    case "bioxen.vm.reinstated.v1":
      return { kind: "held", vm: waitingVm(vmId, vm, atMs), amounts: event.data.allocation };
    case "bioxen.vm.stop-requested.v1":
      return { kind: "withdrew", vmId };
    case "bioxen.vm.until-reached.v1":
      return event.data.then === "stop" ? { kind: "withdrew", vmId } : undefined;
    case "bioxen.vm.stopped.v1":
    case "bioxen.vm.failed.v1":
    case "bioxen.vm.destroyed.v1":
      return { kind: "left", vmId };
    case "bioxen.vm.resized.v1":
      return { kind: "resized", vmId, amounts: vm.request };
    case "bioxen.vm.placed.v1":
      return { kind: "placed", vmId, chassisId: event.data.chassisId };
    default:
      return undefined;
  }
}
