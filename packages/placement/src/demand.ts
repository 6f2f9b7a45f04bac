/**
 * What a log says was wanted, when, and what there was to give: the part of history that another scheduler would have met too.
 *
 * A VM asks for a place with `start-requested`, and again with `displaced`, which is how a lost chassis, a dead agent or a start
 * that took too long show here: whether agents are heard of is not recorded, only what came of it. It withdraws with
 * `stop-requested` and is gone with `stopped`, `failed` or `destroyed`, at the instant of the log: a VM that waits
 * longer runs shorter, it does not run later. Where it was placed is the answer, not the demand, and kept apart (`placed`);
 * so is that it gave way to a higher priority and what it got back (`given`).
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
  | { readonly kind: "asked"; readonly vm: WaitingVm }
  | { readonly kind: "withdrew" | "left"; readonly vmId: string }
  | { readonly kind: "resized"; readonly vmId: string; readonly amounts: Amounts }
  /** What it holds from now on of its request; null: nothing, it waits again. */
  | { readonly kind: "given"; readonly vm: WaitingVm; readonly amounts: Amounts | null }
  | { readonly kind: "placed"; readonly vmId: string; readonly chassisId: string }
  | { readonly kind: "chassis"; readonly chassisId: string; readonly chassis: ChassisState };

export type DemandStep = Happening & { readonly seq: number; readonly atMs: number };

/** Reads events in order; says what each means for places, if anything. */
export class DemandReader {
  readonly #vms = new Map<string, VmState>();
  readonly #chassis = new Map<string, ChassisState>();
  #atMs = 0;

  /** Time of the log so far, ms; never goes back. */
  get atMs(): number {
    return this.#atMs;
  }

  read(event: StoredEvent): DemandStep | undefined {
    const happened = domainEventOf(event.envelope);
    const { kind, id } = happened;
    const at = positionOf(event);
    // Services have clocks of their own: an event may claim to be older than the one before it.
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
      return { kind: "asked", vm: waitingVm(vmId, vm, atMs) };
    case "bioxen.vm.displaced.v2": {
      const asked = waitingVm(vmId, vm, atMs);
      return event.data.code === "PREEMPTED"
        ? { kind: "given", vm: asked, amounts: null }
        : { kind: "asked", vm: asked };
    }
    case "bioxen.vm.preempted.v1":
    case "bioxen.vm.reinstated.v1":
      return { kind: "given", vm: waitingVm(vmId, vm, atMs), amounts: event.data.allocation };
    case "bioxen.vm.stop-requested.v1":
      return { kind: "withdrew", vmId };
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
