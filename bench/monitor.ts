/**
 * Benchmark of the monitor: it receives the telemetry of 2 000 VMs, each at one sample per second. The benchmark
 * measures the monitor's lag, its use of processor and memory, and the number of samples that it loses.
 */
import { callEndpoint, ENDPOINTS, type ResultOf } from "@bioxen/contracts";
import { TestServer } from "@bioxen/testkit";
import { MonitoredFleet } from "./monitored-fleet.ts";

const VMS = 2_000;
const SECONDS = 20;
/**
 * Upper limit of the monitor's lag, ms: the time from the sending of a sample until the monitor reports it. The
 * benchmark fails when a lag reaches this limit.
 */
const MOST_LAG_MS = 2_000;
const CALL_TIMEOUT_MS = 10_000;
const BYTES_PER_MIB = 1_048_576;

export async function monitor(): Promise<void> {
  const server = await TestServer.start();
  try {
    const fleet = await MonitoredFleet.start(server.url, VMS);
    try {
      await measure(fleet);
    } finally {
      await fleet.stop();
    }
  } finally {
    await server.stop();
  }
}

async function measure(fleet: MonitoredFleet): Promise<void> {
  const lags: number[] = [];
  const cpu: number[] = [];
  for (let second = 0; second < SECONDS; second += 1) {
    await fleet.second();
    lags.push(await lagOf(fleet));
    if (fleet.vitals !== undefined) cpu.push(fleet.vitals.cpuPermille);
  }
  const { telemetry } = await ask(fleet);
  const sorted = [...lags].sort((a, b) => a - b);
  const most = sorted.at(-1) ?? Number.NaN;
  const mean = cpu.reduce((a, b) => a + b, 0) / Math.max(1, cpu.length);
  const mib = (fleet.vitals?.residentBytes ?? Number.NaN) / BYTES_PER_MIB;
  console.log(`monitor    ${VMS} VMs, a sample per second each, ${SECONDS} s`);
  console.log(
    `  lag      median ${sorted[SECONDS >> 1]?.toFixed(0)} ms, most ${most.toFixed(0)} ms (limit ${MOST_LAG_MS} ms)`,
  );
  console.log(`  process  ${(mean / 10).toFixed(1)} % of a core, ${mib.toFixed(0)} MiB resident`);
  console.log(`  samples  ${telemetry.received} received, ${telemetry.lost} lost`);
  if (most >= MOST_LAG_MS || telemetry.lost > 0) process.exitCode = 1;
}

/** Waits until the monitor reports the last sent sample of the last VM. Returns the duration of the wait, ms. */
async function lagOf(fleet: MonitoredFleet): Promise<number> {
  const sentAtMs = performance.now();
  const vmId = fleet.vmIds.at(-1) ?? "";
  for (;;) {
    const reply = await callEndpoint(
      fleet.bus,
      ENDPOINTS.monitorVm,
      { vmId },
      { timeoutMs: CALL_TIMEOUT_MS },
    );
    const number = reply.ok ? reply.sample?.sampleNumber : undefined;
    if ((number ?? 0) >= fleet.sent) return performance.now() - sentAtMs;
    if (performance.now() - sentAtMs > CALL_TIMEOUT_MS)
      throw new Error("the monitor did not receive the last sample");
  }
}

async function ask(fleet: MonitoredFleet): Promise<ResultOf<"monitorFleet">> {
  const reply = await callEndpoint(
    fleet.bus,
    ENDPOINTS.monitorFleet,
    { limit: 0 },
    { timeoutMs: CALL_TIMEOUT_MS },
  );
  if (!reply.ok) throw new Error(reply.error.message);
  return reply;
}
