/**
 * Benchmark of the start of lifecycle on a log of a million events: from the log alone, and from a snapshot.
 *
 * The benchmark runs real processes on a real server, and measures two times of each start. The first is the time until
 * lifecycle's state is complete, as lifecycle logs it ("rebuilt from the log"). The second is the time from the start
 * of the process until it is ready.
 *
 * In the same run, it measures an ordered consumer that ignores its messages. The rate of that consumer is the upper
 * bound for every reader of the log.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { EVENT_STREAM, eventSubject } from "@bioxen/contracts";
import { connectBus, openEventLog } from "@bioxen/nats";
import { TestServer } from "@bioxen/testkit";
import { jetstream } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { syntheticLog } from "./synthetic-log.ts";

const EVENTS = 1_000_000;
const PUBLISHES_AT_ONCE = 512;
/**
 * Number of measured starts of each kind: from the log alone, and from a snapshot. The number is odd, so that the
 * median is a measured value.
 */
const ROUNDS = 3;
const LIFECYCLE = fileURLToPath(new URL("../services/lifecycle/main.ts", import.meta.url));
const VM_EVENTS = eventSubject("vm", "");
const BYTES_PER_MIB = 1_048_576;

interface Start {
  /** Time until the state of lifecycle was complete, ms, as lifecycle logs it. */
  readonly stateMs: number;
  /** Time from the start of the lifecycle process until it was ready, ms. */
  readonly processMs: number;
  readonly residentBytes: number;
}

interface Raw {
  readonly iteratorMs: number;
  readonly callbackMs: number;
}

export async function startup(): Promise<void> {
  const server = await TestServer.start();
  try {
    const empty = await startOf(server.url, 0, { untilWritten: false });
    const vms = await seed(server.url);
    const raw: Raw[] = [];
    const cold: Start[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      raw.push(await rawOf(server.url));
      cold.push(await startOf(server.url, 0, { untilWritten: false }));
    }
    await startOf(server.url, EVENTS, { untilWritten: true });
    const warm: Start[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      warm.push(await startOf(server.url, EVENTS, { untilWritten: false }));
    }
    report(raw, cold, warm, empty, vms);
  } finally {
    await server.stop();
  }
}

function report(
  raw: readonly Raw[],
  cold: readonly Start[],
  warm: readonly Start[],
  empty: Start,
  vms: number,
): void {
  const of = (starts: readonly Start[], pick: (start: Start) => number) => median(starts.map(pick));
  const rate = (ms: number) => `${ms.toFixed(0)} ms (${Math.round(EVENTS / ms)} k/s)`;
  const iteratorMs = median(raw.map((r) => r.iteratorMs));
  const callbackMs = median(raw.map((r) => r.callbackMs));
  const coldMs = of(cold, (s) => s.stateMs);
  const warmMs = of(warm, (s) => s.stateMs);
  const rest = (starts: readonly Start[]) => {
    const bytes = of(starts, (s) => s.residentBytes) - empty.residentBytes;
    return `process ${of(starts, (s) => s.processMs).toFixed(0)} ms, ${Math.round(bytes / vms)} bytes per VM`;
  };
  const lines = [
    `startup    ${EVENTS} events, ${vms} VMs, medians of ${ROUNDS}`,
    `  raw ordered consumer   iterator ${rate(iteratorMs)}, callback ${rate(callbackMs)}`,
    `  from the log           ${rate(coldMs)}; ${rest(cold)}`,
    `                         ratio of rates ${(iteratorMs / coldMs).toFixed(2)} to the iterator, ${(callbackMs / coldMs).toFixed(2)} to the callback`,
    `  from a snapshot        ${warmMs} ms, ${((100 * warmMs) / coldMs).toFixed(1)} % of that; ${rest(warm)}`,
    `  empty log              process ${empty.processMs.toFixed(0)} ms, ${(empty.residentBytes / BYTES_PER_MIB).toFixed(0)} MiB`,
  ];
  console.log(lines.join("\n"));
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Writes `EVENTS` synthetic events into the log. Returns the number of VMs in them. */
async function seed(url: string): Promise<number> {
  const bus = await connectBus({ servers: url, name: "bench-seed" });
  await openEventLog(bus);
  const js = jetstream(bus.connection);
  const messages = syntheticLog(EVENTS);
  const vms = new Set<string>();
  const publisher = async () => {
    for (const { subject, bytes, id } of messages) {
      if (subject.startsWith(VM_EVENTS)) vms.add(subject);
      await js.publish(subject, bytes, { msgID: id });
    }
  };
  // The publishers take messages from the generator one at a time, and the connection keeps their order.
  await Promise.all(Array.from({ length: PUBLISHES_AT_ONCE }, publisher));
  await bus.close();
  return vms.size;
}

/**
 * Measures how long an ordered consumer takes to read the whole log. Returns two times, ms: one for the iterator of the
 * client library, and one for its callback.
 */
async function rawOf(url: string): Promise<Raw> {
  const connection = await connect({ servers: url });
  const raw = { iteratorMs: await rawByIterator(connection), callbackMs: await rawByCallback(connection) };
  await connection.close();
  return raw;
}

async function rawByCallback(connection: NatsConnection): Promise<number> {
  const consumer = await jetstream(connection).consumers.get(EVENT_STREAM);
  const startedAt = performance.now();
  let stop: (() => void) | undefined;
  await new Promise<void>((resolve) => {
    void consumer
      .consume({ max_messages: 2_000, callback: ({ seq }) => void (seq >= EVENTS && resolve()) })
      .then((messages) => {
        stop = () => void messages.close();
      });
  });
  stop?.();
  return performance.now() - startedAt;
}

async function rawByIterator(connection: NatsConnection): Promise<number> {
  const consumer = await jetstream(connection).consumers.get(EVENT_STREAM);
  const startedAt = performance.now();
  const messages = await consumer.consume({ max_messages: 2_000 });
  for await (const message of messages) if (message.seq >= EVENTS) break;
  return performance.now() - startedAt;
}

/**
 * Starts lifecycle, waits until it is ready, kills it, and returns the measured start. With `untilWritten`, lifecycle
 * is killed only after it has written a snapshot.
 */
async function startOf(
  url: string,
  snapshotEvery: number,
  { untilWritten }: { readonly untilWritten: boolean },
): Promise<Start> {
  const startedAt = performance.now();
  const env = { ...process.env, BIOXEN_NATS_URL: url, BIOXEN_SNAPSHOT_EVERY: String(snapshotEvery) };
  const child = spawn(process.execPath, [LIFECYCLE], { env, stdio: ["ignore", "ignore", "pipe", "ipc"] });
  const ready = new Promise<number>((resolve, reject) => {
    child.once("message", () => resolve(performance.now() - startedAt));
    child.once("exit", (code) => reject(new Error(`lifecycle exited with ${code}`)));
  });
  const lines = new LogLines(child);
  const processMs = await ready;
  const { tookMs } = await lines.find("rebuilt from the log");
  if (untilWritten) await lines.find("snapshot written");
  const residentBytes = await residentOf(child);
  child.removeAllListeners("exit");
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
  return { stateMs: Number(tookMs), processMs, residentBytes };
}

/** The JSON log lines that the service writes to stderr. */
class LogLines {
  readonly #lines: Record<string, unknown>[] = [];
  #wake: () => void = () => undefined;

  constructor(child: ChildProcess) {
    if (child.stderr === null) throw new Error("the child process has no stderr");
    createInterface({ input: child.stderr }).on("line", (line) => {
      this.#lines.push(JSON.parse(line));
      this.#wake();
    });
  }

  async find(text: string): Promise<Record<string, unknown>> {
    for (;;) {
      const found = this.#lines.find(({ msg }) => typeof msg === "string" && msg.includes(text));
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** Returns the resident memory of a process, bytes; NaN where the operating system does not report it. */
async function residentOf({ pid }: ChildProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) * 1_024;
}
