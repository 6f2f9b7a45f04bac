/**
 * The chassis on which guests share capacity: the oversubscribed ones, and those with a VM that has a `burst` ceiling.
 *
 * Kept up to date by events, so that a step of simulated time costs nothing for all other chassis and their guests.
 */
import type { GuestView } from "./guest-view.ts";

export class SharingChassis {
  readonly #view: Pick<GuestView, "vm" | "registered">;
  readonly #oversubscribed = new Set<string>();
  /** By chassis id, the VMs with a `burst` ceiling on it. */
  readonly #bursting = new Map<string, Set<string>>();
  /** By VM id, the chassis under which {@link #bursting} has it. */
  readonly #notedOn = new Map<string, string>();

  constructor(view: Pick<GuestView, "vm" | "registered">) {
    this.#view = view;
  }

  /** Call it after each event of the VM, and once for each VM at the start. */
  noteVm(vmId: string): void {
    const vm = this.#view.vm(vmId);
    const now = vm?.burst === undefined ? undefined : (vm.chassisId ?? undefined);
    const before = this.#notedOn.get(vmId);
    if (before === now) return;
    if (before !== undefined) this.#forget(vmId, before);
    if (now === undefined) return;
    this.#bursting.set(now, (this.#bursting.get(now) ?? new Set()).add(vmId));
    this.#notedOn.set(vmId, now);
  }

  /** Call it after each event of the chassis, and once for each chassis at the start. */
  noteChassis(chassisId: string): void {
    const { oversubscribePermille = {} } = this.#view.registered(chassisId) ?? {};
    if (Object.keys(oversubscribePermille).length > 0) this.#oversubscribed.add(chassisId);
    else this.#oversubscribed.delete(chassisId);
  }

  /** Returns the ids of these chassis. */
  ids(): ReadonlySet<string> {
    return new Set([...this.#oversubscribed, ...this.#bursting.keys()]);
  }

  #forget(vmId: string, chassisId: string): void {
    this.#notedOn.delete(vmId);
    const vmIds = this.#bursting.get(chassisId);
    vmIds?.delete(vmId);
    if (vmIds?.size === 0) this.#bursting.delete(chassisId);
  }
}
