/**
 * Commands that are refused for what is known of the chassis.
 *
 * This instance may not have heard yet of one that was registered, opened or freed a moment ago, as whoever asks has. So such a refusal
 * is answered only on all that was in the log when it was first decided on.
 */
import type { ErrorCode, VmState } from "@bioxen/contracts";
import type { Executed } from "@bioxen/kernel";

const OF_CHASSIS: ReadonlySet<string> = new Set<ErrorCode>([
  "INFEASIBLE",
  "CHASSIS_NOT_FOUND",
  "CAPACITY_EXCEEDED",
  "UNAVAILABLE",
]);

/** `caughtUp` resolves once everything that is in the log now is known here. */
export async function onAllChassis(
  { caughtUp }: { readonly caughtUp: () => Promise<void> },
  execute: () => Promise<Executed<VmState>>,
): Promise<Executed<VmState>> {
  const executed = await execute();
  if (executed.ok || !OF_CHASSIS.has(executed.rejection.code)) return executed;
  await caughtUp();
  return execute();
}
