/**
 * A stack is up when a VM started now is placed at once: its chassis are registered and heard of.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { callEndpoint, ENDPOINTS } from "@bioxen/contracts";
import { Fault } from "@bioxen/kernel";
import { connectBus } from "@bioxen/nats";

const READY_DEADLINE_MS = 20_000;
const CALL_TIMEOUT_MS = 2_000;
const LOOK_INTERVAL_MS = 50;

/** Chassis that `ecoli:2,yeast:1` names; the agent checks the text itself. */
function countOf(chassis: string): number {
  const counts = chassis.split(",").map((part) => (part.trim() === "" ? 0 : Number(part.split(":")[1] ?? 1)));
  return counts.reduce((a, b) => a + b, 0);
}

/** Throws `Fault` UNAVAILABLE when fewer than were asked for are ready in time, or the scheduler cannot serve. */
export async function whenChassisReady(url: string, chassis: string, pools = 0): Promise<void> {
  const wanted = countOf(chassis) + pools;
  const bus = await connectBus({ servers: url, name: "bioxen-local-stack" });
  try {
    const deadline = Date.now() + READY_DEADLINE_MS;
    for (;;) {
      const reply = await callEndpoint(bus, ENDPOINTS.chassisList, {}, { timeoutMs: CALL_TIMEOUT_MS }).catch(
        () => undefined,
      );
      const known = reply?.ok === true ? reply.chassis : [];
      const ready = known.filter((one) => one.state === "ready").length;
      if (reply?.ok === true && ready >= wanted) return;
      // A service that answers that it cannot serve will not serve by waiting: its log cannot be read.
      if (reply?.ok === false) throw new Fault("UNAVAILABLE", reply.error.message, { retryable: false });
      if (Date.now() > deadline) {
        throw new Fault("UNAVAILABLE", `${ready} of ${wanted} chassis are ready`, { retryable: true });
      }
      await sleep(LOOK_INTERVAL_MS);
    }
  } finally {
    await bus.close();
  }
}
