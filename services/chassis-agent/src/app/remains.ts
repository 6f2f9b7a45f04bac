/**
 * Removes what a driver keeps of a stopped guest, and says what is still there.
 *
 * A driver tries again by itself what it cannot remove at first. The caller asks again until everything is gone, or until
 * the driver has given up.
 */
import type { VmDriver } from "@bioxen/vm-driver";

/** The part of a driver that keeps and removes the parts of stopped guests. */
export type Remover = Pick<VmDriver, "discard" | "leftBehind">;

/**
 * `gone`: nothing is left. `tried`: the driver still tries to remove something. `kept`: something is left for good, and
 * `reason` names it and says why.
 */
export type Remains =
  | { readonly kind: "gone" }
  | { readonly kind: "tried" }
  | { readonly kind: "kept"; readonly reason: string };

/** Removes what is kept of the VM's stopped guests up to this incarnation. Rejects as {@link VmDriver.discard} does. */
export async function removeRemains(driver: Remover, vmId: string, incarnation: number): Promise<Remains> {
  await driver.discard(vmId, incarnation);
  return remainsOf(driver, vmId);
}

/** Returns what is left of the VM although its driver was to remove it. */
export function remainsOf(driver: Pick<VmDriver, "leftBehind">, vmId: string): Remains {
  const left = (driver.leftBehind?.() ?? []).filter((one) => one.vmId === vmId);
  if (left.some(({ nextTryAtMs }) => nextTryAtMs !== undefined)) return { kind: "tried" };
  const [first] = left;
  if (first === undefined) return { kind: "gone" };
  const { kind, uuid, reason } = first;
  return {
    kind: "kept",
    reason: `the pool keeps the ${kind} ${uuid}, which a person must remove: ${reason}`,
  };
}
