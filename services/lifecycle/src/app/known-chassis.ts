/**
 * Rejections that depend on the chassis known to this instance.
 *
 * A caller may have just registered, uncordoned or freed a chassis through another instance, and this instance may not
 * have read that event yet. So such a rejection is answered only after everything that the log held at the first
 * decision has been read.
 */
import type { ErrorCode, VmState } from "@bioxen/contracts";
import type { Executed } from "@bioxen/kernel";

const CODES_ABOUT_CHASSIS: ReadonlySet<string> = new Set<ErrorCode>([
  "INFEASIBLE",
  "CHASSIS_NOT_FOUND",
  "CAPACITY_EXCEEDED",
  "UNAVAILABLE",
]);

/**
 * Calls `execute` and returns its outcome. If the outcome is a rejection that depends on chassis, calls `execute` again
 * after `caughtUp`, and returns the second outcome.
 */
export async function onAllChassis(
  { caughtUp }: { readonly caughtUp: () => Promise<void> },
  execute: () => Promise<Executed<VmState>>,
): Promise<Executed<VmState>> {
  const executed = await execute();
  if (executed.ok || !CODES_ABOUT_CHASSIS.has(executed.rejection.code)) return executed;
  await caughtUp();
  return execute();
}
