/**
 * The life of VMs on a whole stack with keys: create, start, stop and destroy, each for all VMs at once, and the start of
 * single VMs beside them at rest. Once with a log that is synced at every append, and once with a relaxed one.
 *
 * A phase ends with the event of its last VM. Its raw rate is that of raw publishes on the same server divided by the
 * number of events that the phase appended for each VM, so a ratio of 1 means that nothing but the server takes time.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Calls } from "@bioxen/client";
import { type LocalStack, startLocalStack } from "@bioxen/local-stack";
import { type Bus, connectBus, openExistingEventLog } from "@bioxen/nats";
import { percentileOf } from "./flood-client.ts";
import { costLine, processorSeconds } from "./process-cost.ts";
import { rateOf, rawPublishRate } from "./rate.ts";

const VMS = 2_000;
const UNDER_WAY = 256;
const SINGLE_STARTS = 50;
const TIMEOUT_MS = 60_000;
/** A chassis of the type yeast has genome space for 37 of the cells. */
const CHASSIS = "yeast:60";
const RAW_PUBLISHES = 5_000;

const PHASES = [
  { name: "create", call: "vmCreate", ends: "bioxen.vm.created." },
  { name: "start", call: "vmStart", ends: "bioxen.vm.started." },
  { name: "stop", call: "vmStop", ends: "bioxen.vm.stopped." },
  { name: "destroy", call: "vmDestroy", ends: "bioxen.vm.destroyed." },
] as const;

/** Smallest allowed ratio to the raw rate, by phase and durability; absent: no limit. */
const LIMITS = { always: { create: 0.6, start: 0.6 }, relaxed: { create: 0.4, start: 0.3 } } as const;
type Durability = keyof typeof LIMITS;

/** Prints rates, ratios, latencies and the processor time of each process. Returns whether each limit is kept. */
export async function start(): Promise<boolean> {
  const verdicts = [await measured("always"), await measured("relaxed")];
  return !verdicts.includes(false);
}

async function measured(durability: Durability): Promise<boolean> {
  const dataDir = await mkdtemp(join(tmpdir(), "bioxen-bench-"));
  const stack = await startLocalStack({
    dataDir,
    home: dataDir,
    durability,
    chassis: CHASSIS,
    logLevel: "warn",
  });
  const bus = await connectBus({ ...stack.connection, name: "bench" });
  try {
    return await phases(stack, bus, durability);
  } finally {
    await bus.close();
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function phases(stack: LocalStack, bus: Bus, durability: Durability): Promise<boolean> {
  const raw = await rawRate(durability);
  console.log(`${durability}: raw publishes ${raw.toFixed(0)} /s, ${UNDER_WAY} under way`);
  const calls = new Calls(bus, { timeoutMs: TIMEOUT_MS });
  const log = await follower(bus);
  let isHeld = true;
  for (const { name, call, ends } of PHASES) {
    const [eventsBefore, costBefore] = [log.events(), await processorSeconds(stack)];
    const startedAt = performance.now();
    await rateOf(VMS, UNDER_WAY, (i) => calls.ask(call, requestOf(call, i) as never));
    await log.until(ends, VMS);
    const rate = (VMS * 1_000) / (performance.now() - startedAt);
    const eventsPerVm = (log.events() - eventsBefore) / VMS;
    const ratio = (rate * eventsPerVm) / raw;
    const limit = (LIMITS[durability] as Readonly<Record<string, number | undefined>>)[name];
    isHeld &&= limit === undefined || ratio >= limit;
    console.log(
      `${name.padEnd(8)} ${rate.toFixed(0).padStart(6)} VMs/s   ${eventsPerVm.toFixed(2)} events each   ratio ${ratio.toFixed(3)}` +
        `${limit === undefined ? "" : ` (limit ${limit})`}   processor ms per VM: ${costLine(costBefore, await processorSeconds(stack), VMS)}`,
    );
    if (name === "start") await singleStarts(calls, log);
  }
  return isHeld;
}

function requestOf(call: (typeof PHASES)[number]["call"], i: number): object {
  const vmId = `bench-${i}`;
  return call === "vmCreate" ? { vmId, biologicalType: "syn3a", seed: i } : { vmId };
}

/** Raw publishes on a server of its own with the settings of the stack's, because the stack's lets in no bare client. */
async function rawRate(durability: Durability): Promise<number> {
  const dataDir = await mkdtemp(join(tmpdir(), "bioxen-bench-"));
  const stack = await startLocalStack({ dataDir, home: dataDir, durability, keys: false, logLevel: "warn" });
  try {
    return await rawPublishRate(stack.url, RAW_PUBLISHES, UNDER_WAY);
  } finally {
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** Starts VMs one at a time, and prints how long each takes from its command to its event. */
async function singleStarts(calls: Calls, log: Awaited<ReturnType<typeof follower>>): Promise<void> {
  const durations: number[] = [];
  for (let i = 0; i < SINGLE_STARTS; i += 1) {
    const vmId = `single-${i}`;
    await calls.ask("vmCreate", { vmId, biologicalType: "syn3a" });
    const startedAt = performance.now();
    await calls.ask("vmStart", { vmId });
    await log.seen(`bioxen.vm.started.`, vmId);
    durations.push(performance.now() - startedAt);
  }
  const at = (share: number) => percentileOf(durations, share).toFixed(1);
  console.log(`single   starts beside ${VMS} running VMs: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
}

/** Follows the log: how many events there are, and of how many VMs an event of a type was seen. */
async function follower(bus: Bus) {
  const vms = new Map<string, Set<string>>();
  let events = 0;
  const of = (prefix: string) => vms.get(prefix) ?? new Set<string>();
  const log = await openExistingEventLog(bus);
  await log.follow({
    fromSeq: 1,
    onEvent: ({ envelope: { subject, type } }) => {
      events += 1;
      const prefix = type.slice(0, type.lastIndexOf(".") + 1);
      vms.set(prefix, of(prefix).add(subject));
    },
    onCaughtUp: () => undefined,
    onStop: () => undefined,
  });
  return {
    events: () => events,
    async until(prefix: string, count: number): Promise<void> {
      while (of(prefix).size < count) await sleep(5);
    },
    async seen(prefix: string, vmId: string): Promise<void> {
      while (!of(prefix).has(`vm/${vmId}`)) await sleep(1);
    },
  };
}
