/**
 * A monitor that is stopped, and what it makes of the samples it did not hear meanwhile: each is received late or counted as lost, none is
 * forgotten.
 *
 * What is right: a server keeps what a client does not read, up to `max_pending` (64 MiB) and `write_deadline` (10 s) by default. Five
 * seconds of 2 000 VMs are some 6 MB, so nothing of them is lost, and counting any of it would be wrong. Beyond the limits the server cuts
 * the client off and forgets what it held for it: that is lost, and the numbers of the samples that come after say how much it was. That
 * they are counted sample by sample is a property under test beside `loss.ts`.
 */
import { ENDPOINTS, type ResultOf } from "@bioxen/contracts";
import { eventually, TestServer } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { MonitoredFleet } from "../../bench/monitored-fleet.ts";

const VMS = 200;
const PAUSED_S = 5;
/** Samples of each VM while it is stopped: with those of all VMs some 40 MB, more than any socket buffers take on. */
const MISSED = 300;
/** What the server keeps for a client that does not read. */
const KEEPS_LITTLE = "max_pending: 1MB";
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

/** A monitor that is stopped during `missed`; resolves with what it counts once it has heard the last of each VM. */
async function paused(settings: string, missed: (fleet: MonitoredFleet) => Promise<void>) {
  const server = await TestServer.start(settings);
  const fleet = await MonitoredFleet.start(server.url, VMS);
  try {
    await fleet.second();
    await eventually("the first arrived", async () =>
      (await telemetryOf(fleet)).received === VMS ? true : undefined,
    );
    fleet.signal("SIGSTOP");
    await missed(fleet);
    fleet.signal("SIGCONT");
    // The server may have let it go: it dials again, and hears what comes from then on.
    return await eventually(
      "all are accounted for",
      async () => {
        await fleet.second();
        const { received, lost } = await telemetryOf(fleet);
        return received + lost === VMS * fleet.sent ? { received, lost, sent: VMS * fleet.sent } : undefined;
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
    const { lost } = await paused("", async (fleet) => {
      for (let i = 0; i < PAUSED_S; i += 1) await fleet.second();
    });
    expect(lost).toBe(0);
  },
  TIMEOUT_MS,
);

it(
  "what the server gave up keeping is lost, and every sample of it is counted",
  async () => {
    const { received, lost, sent } = await paused(KEEPS_LITTLE, (fleet) => fleet.burst(MISSED));
    console.log(`${sent} sent, ${received} received, ${lost} counted as lost`);
    expect(lost).toBeGreaterThan(0);
    expect(received + lost).toBe(sent);
  },
  TIMEOUT_MS,
);
