/**
 * `pnpm bench [commands|replay|startup|monitor|scheduler|packing|flood|identities|cli|cells|volume|start|console|gateway|backup]`: runs the benchmarks and
 * prints their results.
 * They are rates, the time of a placement plan, and the number of chassis that a plan needs. Each rate has its
 * ratio to the rate of raw NATS beside it. Exits with 0 when all measurements succeed and stay within their limits.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ENDPOINTS, EVENT_STREAM, vmFold } from "@bioxen/contracts";
import { ReadModel } from "@bioxen/kernel";
import { startLocalStack } from "@bioxen/local-stack";
import { connectBus, openExistingEventLog } from "@bioxen/nats";
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { backup } from "./backup.ts";
import { cells } from "./cells.ts";
import { cli } from "./cli.ts";
import { consoleBench } from "./console.ts";
import { flood } from "./flood.ts";
import { gateway } from "./gateway.ts";
import { identities } from "./identities.ts";
import { monitor } from "./monitor.ts";
import { packing } from "./packing.ts";
import { rateOf, rawPublishRate } from "./rate.ts";
import { scheduler } from "./scheduler.ts";
import { start } from "./start.ts";
import { startup } from "./startup.ts";
import { volume } from "./volume.ts";

const COMMANDS = 5_000;
const AT_ONCE = 64;
const TIMEOUT_MS = 30_000;

function show(name: string, ours: number, raw: number): void {
  const permille = Math.round((1000 * ours) / raw);
  console.log(
    `${name.padEnd(10)} ${ours.toFixed(0).padStart(9)} /s   raw ${raw.toFixed(0).padStart(9)} /s   ratio ${permille / 1000}`,
  );
}

async function commands(url: string): Promise<void> {
  const bus = await connectBus({ servers: url, name: "bench" });
  const rawRate = await rawPublishRate(url, COMMANDS, AT_ONCE);
  const ours = await rateOf(COMMANDS, AT_ONCE, async (i) => {
    const request = { vmId: `bench-${i}`, biologicalType: "syn3a" };
    const reply = await bus.call(ENDPOINTS.vmCreate.subject, request, { timeoutMs: TIMEOUT_MS });
    if (!reply.ok) throw new Error(reply.error.message);
  });
  show("commands", ours, rawRate);
  await bus.close();
}

async function replay(url: string): Promise<void> {
  const bus = await connectBus({ servers: url, name: "bench" });
  const raw = await connect({ servers: url });
  const log = await openExistingEventLog(bus);
  const end = await log.lastSeq();
  const consumer = await jetstream(raw).consumers.get(EVENT_STREAM);
  let startedAt = performance.now();
  const messages = await consumer.consume({ max_messages: 2_000 });
  for await (const message of messages) if (message.seq >= end) break;
  const rawRate = (end * 1000) / (performance.now() - startedAt);
  const vms = new ReadModel("vm", vmFold);
  startedAt = performance.now();
  await new Promise<void>((resolve, reject) => {
    void log.follow({
      fromSeq: 1,
      onEvent: (event) => {
        if (event.envelope.subject.startsWith("vm/")) vms.apply(event);
        if (event.seq >= end) resolve();
      },
      onCaughtUp: () => undefined,
      onStop: reject,
    });
  });
  show("replay", (end * 1000) / (performance.now() - startedAt), rawRate);
  await raw.close();
  await bus.close();
}

/**
 * Runs the benchmark `commands` on a new stack. With `withReplay`, then runs the benchmark `replay` on the same stack,
 * because `replay` reads the events that `commands` has written.
 */
async function onOneStack(withReplay: boolean): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "bioxen-bench-"));
  const stack = await startLocalStack({ dataDir, home: dataDir, keys: false, logLevel: "warn" });
  try {
    await commands(stack.url);
    if (withReplay) await replay(stack.url);
  } finally {
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

const BENCHMARKS = [
  "commands",
  "replay",
  "startup",
  "monitor",
  "scheduler",
  "packing",
  "flood",
  "identities",
  "cli",
  "cells",
  "volume",
  "start",
  "console",
  "gateway",
  "backup",
];
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !BENCHMARKS.includes(name));
if (unknown.length > 0) {
  console.error(`unknown benchmark ${unknown.join(", ")}: choose from ${BENCHMARKS.join(", ")}`);
  process.exit(2);
}
const isWanted = (name: string) => wanted.length === 0 || wanted.includes(name);
if (isWanted("commands") || isWanted("replay")) await onOneStack(isWanted("replay"));
if (isWanted("startup")) await startup();
if (isWanted("monitor")) await monitor();
const verdicts = [
  isWanted("scheduler") ? scheduler() : true,
  isWanted("packing") ? packing() : true,
  isWanted("flood") ? await flood() : true,
  isWanted("identities") ? await identities() : true,
  isWanted("cli") ? await cli() : true,
  isWanted("cells") ? await cells() : true,
  isWanted("volume") ? await volume() : true,
  isWanted("start") ? await start() : true,
  isWanted("console") ? await consoleBench() : true,
  isWanted("gateway") ? await gateway() : true,
  isWanted("backup") ? await backup() : true,
];
if (verdicts.includes(false)) process.exitCode = 1;
