/** When two reasons why a VM waits say the same. */
import type { PlacementRefusal } from "./events/vm.ts";

/**
 * Returns what a reason says, without its amounts, which change whenever any VM comes or goes. The message of UNAVAILABLE
 * has no amounts and belongs to what it says: that the chassis is lost, drained, or held for another VM.
 */
export function refusalKind({ code, resource = "", message }: PlacementRefusal): string {
  return `${code} ${resource} ${code === "UNAVAILABLE" ? message : ""}`;
}
