/**
 * A monitor that is stopped for five seconds: every sample sent meanwhile is received late or counted as lost, none is forgotten. That what is
 * lost is counted sample by sample is a property under test beside `loss.ts`; a server keeps five seconds of samples for a silent client.
 */
import { ENDPOINTS, type ResultOf } from "@bioxen/contracts";
import { eventually, TestServer } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { MonitoredFleet } from "../../bench/monitored-fleet.ts";

const VMS = 200;
const PAUSED_S = 5;
const TIMEOUT_MS = 120_000;
const CALL_TIMEOUT_MS = 20_000;

async function telemetryOf(fleet: MonitoredFleet): Promise<ResultOf<"monitorFleet">["telemetry"]> {
  const reply = await fleet.bus.call(
    ENDPOINTS.monitorFleet.subject,
    { limit: 0 },
    { timeoutMs: CALL_TIMEOUT_MS },
  );
  if (!reply.ok) throw new Error(reply.error.message);
  return (reply as unknown as ResultOf<"monitorFleet">).telemetry;
}

/** Sent before the pause, in it and after it; resolves with what the monitor counts once it has heard the last of each VM. */
async function paused() {
  const server = await TestServer.start();
  const fleet = await MonitoredFleet.start(server.url, VMS);
  try {
    await fleet.second();
    await eventually("the first arrived", async () =>
      (await telemetryOf(fleet)).received === VMS ? true : undefined,
    );
    fleet.signal("SIGSTOP");
    for (let i = 0; i < PAUSED_S; i += 1) await fleet.second();
    fleet.signal("SIGCONT");
    // The server may have let it go: it dials again, and hears what comes from then on.
    return await eventually(
      "all are accounted for",
      async () => {
        await fleet.second();
        const { received, lost } = await telemetryOf(fleet);
        return received + lost === VMS * fleet.sent ? { received, lost } : undefined;
      },
      60_000,
    );
  } finally {
    await fleet.stop();
    await server.stop();
  }
}

it(
  "what the server keeps for it arrives late, and is no loss",
  async () => {
    const { lost } = await paused();
    expect(lost).toBe(0);
  },
  TIMEOUT_MS,
);
