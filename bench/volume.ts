/**
 * A fleet of cells as fast as the machine computes them: 1 000 VMs at the time scale `max` live 600 minutes in a steady
 * medium and record a row every 10 minutes, on a whole stack without keys.
 *
 * The time runs from the first boot (the first placement of a VM) to the last row in the store. Then every row is read
 * back. In the same run one thread computes the same cells without BioXen, from their boots to their last minutes: the
 * ratio is to its rate.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Cell, cellTypeOf } from "@bioxen/cell-models";
import { Calls } from "@bioxen/client";
import { COURSE_STREAM } from "@bioxen/contracts";
import { type LocalStack, startLocalStack } from "@bioxen/local-stack";
import { type Bus, connectBus, openExistingEventLog } from "@bioxen/nats";
import { jetstreamManager } from "@nats-io/jetstream";
import { costLine, processorSeconds } from "./process-cost.ts";
import { rateOf } from "./rate.ts";

const VMS = 1_000;
const MINUTES = 600;
const EVERY_MINUTES = 10;
const UNDER_WAY = 64;
const TIMEOUT_MS = 60_000;
/** A chassis of the type yeast has genome space for 37 of the cells. */
const CHASSIS = "yeast:30";
/** Smallest allowed rate on two idle cores, cell-minutes per second. */
const LEAST_RATE = 150_000;
/** Largest allowed memory of the agent above that of the idle agent, kB per VM. */
const MOST_KB_PER_VM = 100;
/** Time after which the agent's memory is measured: its garbage has been collected by then. */
const SETTLE_MS = 5_000;

const TYPE = cellTypeOf("syn3a");
const vmIdOf = (i: number) => `cell-${i}`;

/** Prints the rate, the memory and the rows. Returns whether each is within its limit. */
export async function volume(): Promise<boolean> {
  const alone = rateAlone();
  const dataDir = await mkdtemp(join(tmpdir(), "bioxen-bench-"));
  const stack = await startLocalStack({
    dataDir,
    home: dataDir,
    keys: false,
    chassis: CHASSIS,
    logLevel: "warn",
  });
  const bus = await connectBus({ servers: stack.url, name: "bench" });
  try {
    return await measure(stack, bus, alone);
  } finally {
    await bus.close();
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function measure(stack: LocalStack, bus: Bus, alone: number): Promise<boolean> {
  const calls = new Calls(bus, { timeoutMs: TIMEOUT_MS });
  const times = await eventTimes(bus);
  await each((vmId, seed) =>
    calls.ask("vmCreate", {
      vmId,
      biologicalType: "syn3a",
      seed,
      timeScale: "max",
      until: { simMinutes: MINUTES, then: "pause" },
      record: { everyMinutes: EVERY_MINUTES },
    }),
  );
  const idleKb = await agentKb(stack);
  const before = await processorSeconds(stack);
  await each((vmId) => calls.ask("vmStart", { vmId }));
  while (times.ended.size < VMS) await sleep(50);
  const after = await processorSeconds(stack);
  const seconds = ((await lastRowMs(bus)) - times.firstPlacedMs) / 1_000;
  await sleep(SETTLE_MS);
  const kbPerVm = ((await agentKb(stack)) - idleKb) / VMS;
  let rows = 0;
  await each(async (vmId) => {
    const { rows: read } = await calls.ask("courseGet", { vmId });
    rows += read.length;
  });
  const rate = (VMS * MINUTES) / seconds;
  const startedS = (times.lastStartedMs - times.firstPlacedMs) / 1_000;
  const wanted = VMS * (MINUTES / EVERY_MINUTES + 1);
  console.log(
    `volume     ${rate.toFixed(0)} cell-minutes/s in ${seconds.toFixed(1)} s, all started after ${startedS.toFixed(1)} s (at least ${LEAST_RATE})   one thread alone ${alone.toFixed(0)}, ` +
      `ratio ${(rate / alone).toFixed(2)}   agent ${kbPerVm.toFixed(0)} kB per VM above idle (at most ${MOST_KB_PER_VM})   ${rows} of ${wanted} rows`,
  );
  console.log(`           processor ms per VM: ${costLine(before, after, VMS)}`);
  return rate >= LEAST_RATE && kbPerVm <= MOST_KB_PER_VM && rows === wanted;
}

/** Follows the log from now on, and notes when VMs got their places and started, and whose cells are at their last minutes. */
async function eventTimes(bus: Bus) {
  const times = {
    firstPlacedMs: Number.POSITIVE_INFINITY,
    lastStartedMs: 0,
    ended: new Set<string>(),
  };
  const log = await openExistingEventLog(bus);
  await log.follow({
    fromSeq: 1,
    onEvent: ({ envelope: { subject, type, time } }) => {
      const atMs = Date.parse(time);
      if (type.startsWith("bioxen.vm.placed.")) times.firstPlacedMs = Math.min(times.firstPlacedMs, atMs);
      if (type.startsWith("bioxen.vm.started.")) times.lastStartedMs = Math.max(times.lastStartedMs, atMs);
      if (type.startsWith("bioxen.vm.until-reached.")) times.ended.add(subject);
    },
    onCaughtUp: () => undefined,
    onStop: () => undefined,
  });
  return times;
}

/** Returns the time at which the newest rows were stored, epoch ms. */
async function lastRowMs({ connection }: Bus): Promise<number> {
  const { state } = await (await jetstreamManager(connection)).streams.info(COURSE_STREAM);
  return Date.parse(state.last_ts);
}

async function each(work: (vmId: string, i: number) => Promise<unknown>): Promise<void> {
  await rateOf(VMS, UNDER_WAY, (i) => work(vmIdOf(i), i));
}

/** Returns the memory of the agent's process, kB. */
async function agentKb(stack: LocalStack): Promise<number> {
  const pid = stack.services().find(({ name }) => name === "chassis-agent")?.pid;
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
}

/** Boots the cells in this thread and computes all their minutes. Returns cell-minutes per second. */
function rateAlone(): number {
  const startedAt = performance.now();
  const cells = Array.from({ length: VMS }, (_, seed) =>
    Cell.boot({ biologicalType: "syn3a", allocation: TYPE.fullDemand, seed }),
  );
  for (let minute = 0; minute < MINUTES; minute += EVERY_MINUTES) {
    for (const cell of cells) cell.advance(EVERY_MINUTES);
  }
  return (VMS * MINUTES * 1_000) / (performance.now() - startedAt);
}
