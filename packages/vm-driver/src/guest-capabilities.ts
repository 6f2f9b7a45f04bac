/**
 * What one guest can do, where guests of one driver differ: a machine is a cell only while its guest agent reports.
 */
export interface GuestCapabilities {
  /** Whether the guest is a cell: it accepts cell resources, and its sample has the fields of a cell. */
  readonly cell: boolean;
  /** The language of an exec without `shell`; null: unknown until the guest has answered. */
  readonly language: "lua" | "shell" | null;
  /** Whether exec accepts `shell: true`. */
  readonly shell: boolean;
  /** Names of the resources whose allocations appear as caps in the guest's samples. */
  readonly meters: readonly string[];
}

/** The part of a driver that knows its guests. */
interface GuestHost {
  readonly capabilities: { readonly meters: readonly string[] };
  list(): readonly { readonly vmId: string }[];
  guest?(vmId: string): object | undefined;
  guestCapabilities?(vmId: string): GuestCapabilities | undefined;
}

/**
 * Returns what the VM's guest can do; undefined if the VM has no guest. A driver without `guestCapabilities` runs cells
 * only, with the capabilities of the driver.
 */
export function capabilitiesOfGuest(driver: GuestHost, vmId: string): GuestCapabilities | undefined {
  if (driver.guestCapabilities !== undefined) return driver.guestCapabilities(vmId);
  const isThere =
    driver.guest === undefined
      ? driver.list().some((one) => one.vmId === vmId)
      : driver.guest(vmId) !== undefined;
  if (!isThere) return undefined;
  return { cell: true, language: "lua", shell: false, meters: driver.capabilities.meters };
}
