/**
 * Waits until a new stack can place a VM at once: its chassis are registered and have sent a heartbeat.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { callEndpoint, ENDPOINTS } from "@bioxen/contracts";
import { Fault } from "@bioxen/kernel";
import { type ConnectionSettings, connectBus } from "@bioxen/nats";

const READY_DEADLINE_MS = 20_000;
const CALL_TIMEOUT_MS = 2_000;
const POLL_INTERVAL_MS = 50;

/** Returns the number of chassis in a list such as `ecoli:2,yeast:1`; the agent validates the list. */
function countOf(chassis: string): number {
  const counts = chassis.split(",").map((part) => (part.trim() === "" ? 0 : Number(part.split(":")[1] ?? 1)));
  return counts.reduce((a, b) => a + b, 0);
}

/**
 * Resolves when all chassis in the list and one chassis for each of the `pools` XCP-ng pools are ready. Throws `Fault`
 * UNAVAILABLE after 20 s, or at once when the scheduler reports that it cannot serve.
 */
export async function whenChassisReady(
  connection: ConnectionSettings,
  chassis: string,
  pools = 0,
  signal?: AbortSignal,
): Promise<void> {
  const wanted = countOf(chassis) + pools;
  const bus = await connectBus({ ...connection, name: "bioxen-local-stack" });
  try {
    const deadline = Date.now() + READY_DEADLINE_MS;
    for (;;) {
      const reply = await callEndpoint(bus, ENDPOINTS.chassisList, {}, { timeoutMs: CALL_TIMEOUT_MS }).catch(
        () => undefined,
      );
      const known = reply?.ok === true ? reply.chassis : [];
      const ready = known.filter(({ state }) => state === "ready").length;
      if (reply?.ok === true && ready >= wanted) return;
      // A scheduler that refuses cannot read the log, and waiting does not change that.
      if (reply?.ok === false) throw new Fault("UNAVAILABLE", reply.error.message, { retryable: false });
      if (Date.now() > deadline) {
        throw new Fault("UNAVAILABLE", `${ready} of ${wanted} chassis are ready`, { retryable: true });
      }
      await sleep(POLL_INTERVAL_MS, undefined, { signal });
    }
  } finally {
    await bus.close();
  }
}
