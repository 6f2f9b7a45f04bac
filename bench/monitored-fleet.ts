/**
 * Simulates a fleet that loads a monitor. It writes running VMs into the log, and publishes their samples as an agent
 * would. No guest runs.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  ALL_SERVICE_TELEMETRY,
  eventSubject,
  FULL_DEMAND,
  REFERENCE_DOUBLING_MINUTES,
  type ServiceSample,
  type VmSample,
  vmTelemetrySubject,
} from "@bioxen/contracts";
import type { EventBody } from "@bioxen/kernel";
import { type Bus, connectBus, openEventLog } from "@bioxen/nats";
import { createdVm, envelopeOf, registeredChassis } from "@bioxen/testkit";

const MONITOR = fileURLToPath(new URL("../services/monitor/main.ts", import.meta.url));
const CHASSIS = "bench";
const APPENDS_AT_ONCE = 64;
/**
 * Number of batches into which the samples of one second are split. Real agents do not all publish at the same moment.
 */
const SLICES = 20;
const SECOND_MS = 1_000;

export class MonitoredFleet {
  readonly bus: Bus;
  readonly vmIds: readonly string[];
  readonly #monitor: ChildProcess;
  /** The latest vital signs that the monitor published; undefined before the first. */
  vitals: ServiceSample | undefined;
  /** Number of samples that have been sent for each VM. */
  sent = 0;

  private constructor(bus: Bus, vmIds: readonly string[], monitor: ChildProcess) {
    this.bus = bus;
    this.vmIds = vmIds;
    this.#monitor = monitor;
    bus.subscribe(ALL_SERVICE_TELEMETRY, (sample) => {
      this.vitals = sample as ServiceSample;
    });
  }

  /** Writes the events of `vms` running VMs into the log, starts a monitor, and waits until the monitor is ready. */
  static async start(url: string, vms: number): Promise<MonitoredFleet> {
    const bus = await connectBus({ servers: url, name: "bench-fleet" });
    const vmIds = Array.from({ length: vms }, (_, i) => `vm-${i}`);
    const log = await openEventLog(bus);
    await log.append(
      eventSubject("chassis", CHASSIS),
      envelopeOf("chassis", CHASSIS, registeredChassis()),
      0,
    );
    const left = [...vmIds];
    const writer = async () => {
      for (let vmId = left.pop(); vmId !== undefined; vmId = left.pop()) {
        let lastSeq = 0;
        for (const [i, body] of runningVmEvents().entries()) {
          const envelope = envelopeOf("vm", vmId, body, { version: i + 1 });
          const appended = await log.append(eventSubject("vm", vmId), envelope, lastSeq);
          if (appended.kind !== "appended") throw new Error(`${vmId} exists already: use an empty server`);
          lastSeq = appended.seq;
        }
      }
    };
    await Promise.all(Array.from({ length: APPENDS_AT_ONCE }, writer));
    const env = { ...process.env, BIOXEN_NATS_URL: url, BIOXEN_LOG_LEVEL: "warn" };
    const monitor = spawn(process.execPath, [MONITOR], {
      env,
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    await new Promise<void>((resolve, reject) => {
      monitor.once("message", () => resolve());
      monitor.once("exit", (code) => reject(new Error(`the monitor exited with ${code}`)));
    });
    monitor.removeAllListeners("exit");
    return new MonitoredFleet(bus, vmIds, monitor);
  }

  signal(name: NodeJS.Signals): void {
    this.#monitor.kill(name);
  }

  /**
   * Publishes `samples` samples of every VM at full speed. That is the backlog after a pause of `samples` seconds,
   * because a VM has one sample per second.
   */
  async burst(samples: number): Promise<void> {
    for (let i = 0; i < samples; i += 1) {
      this.sent += 1;
      for (const vmId of this.vmIds) this.bus.publish(vmTelemetrySubject(vmId), sampleOf(vmId, this.sent));
      await this.bus.connection.flush();
    }
  }

  /** Sends one sample of every VM. The samples are spread over one second of real time. */
  async second(): Promise<void> {
    const beganAtMs = performance.now();
    this.sent += 1;
    const perSlice = Math.ceil(this.vmIds.length / SLICES);
    for (let slice = 0; slice < SLICES; slice += 1) {
      for (const vmId of this.vmIds.slice(slice * perSlice, (slice + 1) * perSlice)) {
        this.bus.publish(vmTelemetrySubject(vmId), sampleOf(vmId, this.sent));
      }
      const dueMs = beganAtMs + ((slice + 1) * SECOND_MS) / SLICES;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await sleep(waitMs);
    }
  }

  async stop(): Promise<void> {
    const hasEnded = this.#monitor.exitCode !== null || this.#monitor.signalCode !== null;
    const gone = hasEnded ? undefined : new Promise((resolve) => this.#monitor.once("exit", resolve));
    this.#monitor.kill("SIGKILL");
    await gone;
    await this.bus.close();
  }
}

function runningVmEvents(): EventBody[] {
  return [
    createdVm({ request: FULL_DEMAND.syn3a, seed: 1 }),
    { type: "bioxen.vm.start-requested.v1", data: { automatic: false } },
    { type: "bioxen.vm.placed.v1", data: { chassisId: CHASSIS, fence: 1, allocation: FULL_DEMAND.syn3a } },
    { type: "bioxen.vm.started.v1", data: { fence: 1 } },
  ];
}

function sampleOf(vmId: string, sampleNumber: number): VmSample {
  // Growth varies a little, so that consecutive samples differ.
  const permille = 990 + (sampleNumber % 10);
  const rate = ((Math.LN2 / REFERENCE_DOUBLING_MINUTES.syn3a) * permille) / 1_000;
  return {
    vmId,
    chassisId: CHASSIS,
    atMs: Date.now(),
    sampleNumber,
    state: "running",
    simMinutes: sampleNumber,
    growthRatePerMinute: rate,
    doublingTimeMinutes: Math.LN2 / rate,
    ribosomes: { total: 640.123456, engaged: 480.654321, cap: 503 },
    atp: { molecules: 123456.789, perSecond: 13246.123, capPerSecond: 13247 },
    rnaPolymerases: { cap: 187 },
    proteinAminoAcids: 1.23456789e8,
    divisions: 3,
    luaInstructions: 123_456,
    health: 99,
    lagMs: 0,
  };
}
