/**
 * The drivers of one agent, one for each type of VM it can run.
 *
 * A VM's type says which driver is meant. An id can be taken again by a VM of another type while what the first one left is
 * still here, so a guest is always named together with the driver that holds it.
 */
import type { GuestEvent, GuestStatus, KeptGuest, VmDriver } from "@bioxen/vm-driver";

export interface HeldGuest {
  readonly driver: VmDriver;
  readonly status: GuestStatus;
}

export class Drivers {
  readonly all: readonly VmDriver[];
  readonly #byType: ReadonlyMap<string, VmDriver>;

  /** Throws `RangeError` when two drivers run the same type. */
  constructor(all: readonly VmDriver[]) {
    this.all = all;
    this.#byType = new Map(all.map((driver) => [driver.capabilities.vmType, driver]));
    if (this.#byType.size < all.length) throw new RangeError("two drivers run the same type of VM");
  }

  /** undefined when no driver here runs VMs of this type. */
  of(vmType: string): VmDriver | undefined {
    return this.#byType.get(vmType);
  }

  /** Every guest of every driver, in order of id within each. */
  list(): readonly HeldGuest[] {
    return this.all.flatMap((driver) => driver.list().map((status) => ({ driver, status })));
  }

  /** Guests and what stopped ones left, by id: everything here that may be no longer wanted. */
  ids(): ReadonlySet<string> {
    const ids = new Set<string>();
    for (const driver of this.all) {
      for (const { vmId } of driver.list()) ids.add(vmId);
      for (const { vmId } of driver.kept()) ids.add(vmId);
    }
    return ids;
  }

  onGuestEvent(listener: (event: GuestEvent) => void): void {
    for (const driver of this.all) driver.onGuestEvent(listener);
  }

  tick(elapsedMs: number): void {
    for (const driver of this.all) driver.tick(elapsedMs);
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((driver) => driver.close()));
  }
}

/** What `driver` holds of this VM. */
export function guestIn(driver: VmDriver, vmId: string): GuestStatus | undefined {
  return driver.list().find((status) => status.vmId === vmId);
}

export function keptIn(driver: VmDriver, vmId: string): KeptGuest | undefined {
  return driver.kept().find((kept) => kept.vmId === vmId);
}
