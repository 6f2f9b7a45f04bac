/**
 * The drivers of one agent, one for each type of VM that it can run.
 *
 * A VM's type selects its driver. A new VM can have the id of a destroyed VM of another type, while the guest of the
 * destroyed VM still exists. So a guest is always identified by its VM id together with its driver.
 */
import type { GuestEvent, GuestStatus, KeptGuest, LeftBehind, Orphan, VmDriver } from "@bioxen/vm-driver";

/** A guest and the driver that runs it. */
export interface DriverGuest {
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
    if (this.#byType.size < all.length)
      throw new RangeError("two drivers run the same type of VM: configure one per type");
  }

  /** Returns the driver for VMs of this type; undefined when this agent has none. */
  of(vmType: string): VmDriver | undefined {
    return this.#byType.get(vmType);
  }

  /** Returns the guests of all drivers: driver by driver, and for each driver in order of VM id. */
  list(): readonly DriverGuest[] {
    return this.all.flatMap((driver) => driver.list().map((status) => ({ driver, status })));
  }

  /** Returns the VM ids of all guests, and of stopped guests whose remains are still here. */
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

  /** Returns what the drivers should have removed and what is still there. */
  leftBehind(): LeftBehind[] {
    return this.all.flatMap((driver) => driver.leftBehind?.() ?? []);
  }

  /** Returns the machines of other owners where the drivers run their guests, in order of uuid. */
  orphans(): readonly Orphan[] {
    return this.all.flatMap((driver) => driver.orphans?.() ?? []);
  }

  tick(...args: Parameters<VmDriver["tick"]>): void {
    for (const driver of this.all) driver.tick(...args);
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((driver) => driver.close()));
  }
}

/** Returns the VM's guest in `driver`; undefined if the VM has none there. */
export function guestIn(driver: VmDriver, vmId: string): GuestStatus | undefined {
  if (driver.guest !== undefined) return driver.guest(vmId);
  return driver.list().find((status) => status.vmId === vmId);
}

/** Returns the remains of the VM's stopped guest in `driver`; undefined when none are left. */
export function keptIn(driver: VmDriver, vmId: string): KeptGuest | undefined {
  if (driver.keptGuest !== undefined) return driver.keptGuest(vmId);
  return driver.kept().find((kept) => kept.vmId === vmId);
}
