/**
 * A monitor process is suspended while samples arrive. Afterwards it has received each of them late, or counts it as
 * lost.
 *
 * The NATS server buffers what a client does not read, by default up to `max_pending` (64 MiB) and `write_deadline` (10
 * s). Five seconds of 2 000 VMs are about 6 MB: the server loses none of them, so the monitor must count no loss.
 * Beyond the limits the server disconnects the client and drops its buffer. These samples are lost, and the gap in the
 * sample numbers tells the monitor how many. The unit tests of `loss.ts` cover the counting itself.
 */
import { ENDPOINTS, type ResultOf } from "@bioxen/contracts";
import { eventually, TestServer } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { MonitoredFleet } from "../../bench/monitored-fleet.ts";

const VMS = 200;
const PAUSED_S = 5;
/** Samples per VM while the monitor is suspended: about 40 MB for all VMs, more than the socket buffers hold. */
const MISSED = 300;
/** The server setting that limits the buffer for a client that does not read. */
const SMALL_BUFFER = "max_pending: 1MB";
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

/** Suspends a monitor while `missed` runs. Returns its counts once they account for every sample that was sent. */
async function paused(settings: string, missed: (fleet: MonitoredFleet) => Promise<void>) {
  const server = await TestServer.start(settings);
  const fleet = await MonitoredFleet.start(server.url, VMS);
  try {
    await fleet.second();
    await eventually("the first sample of every VM has arrived", async () =>
      (await telemetryOf(fleet)).received === VMS ? true : undefined,
    );
    fleet.signal("SIGSTOP");
    await missed(fleet);
    fleet.signal("SIGCONT");
    // If the server disconnected the monitor, it reconnects and receives only later samples: so the fleet keeps
    // sending.
    return await eventually(
      "every sample is received or counted as lost",
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
  "a suspended monitor receives the samples that the server buffered, and counts no loss",
  async () => {
    const { lost } = await paused("", async (fleet) => {
      for (let i = 0; i < PAUSED_S; i += 1) await fleet.second();
    });
    expect(lost).toBe(0);
  },
  TIMEOUT_MS,
);

it(
  "a monitor that the server disconnected counts every dropped sample as lost",
  async () => {
    const { received, lost, sent } = await paused(SMALL_BUFFER, (fleet) => fleet.burst(MISSED));
    console.log(`${sent} sent, ${received} received, ${lost} counted as lost`);
    expect(lost).toBeGreaterThan(0);
    expect(received + lost).toBe(sent);
  },
  TIMEOUT_MS,
);
