/**
 * Benchmark of back-pressure: one client floods the service `lifecycle` while another client sends its usual requests.
 *
 * Client A sends `vm.pause` of one VM, or creates new VMs, as fast as it can. Client B reads a VM 50 times a second,
 * and each second creates, starts and destroys a VM. The benchmark shows the outcomes of A's requests, the delays and
 * failures of B, the memory growth of each service, and the time until the services answer as fast as before.
 */
import { type ChildProcess, execFile, fork } from "node:child_process";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { ENDPOINTS } from "@bioxen/contracts";
import { SERVICES } from "@bioxen/local-stack";
import { type Bus, connectBus } from "@bioxen/nats";
import { TestServer } from "@bioxen/testkit";
import { CALL_TIMEOUT_MS, ClientB, percentileOf } from "./flood-client.ts";
import type { FloodOrder, FloodResult } from "./flood-sender.ts";

/** Length of each flood, s. */
const SECONDS = Number(process.env["BIOXEN_FLOOD_SECONDS"] ?? 10);
const PAUSES_PER_SECOND = Number(process.env["BIOXEN_FLOOD_RATE"] ?? 20_000);
const CREATES_PER_SECOND = 5_000;
const MEMORY_INTERVAL_MS = 500;
const IDLE_MS = 3_000;
const BYTES_PER_KIB = 1_024;
const BYTES_PER_MIB = 1_048_576;

/** Limits; the benchmark fails when one is exceeded. */
const MOST_P99_MS = 200;
const MOST_MEMORY_RATIO = 2;
const MOST_RECOVERY_MS = 2_000;

export async function flood(): Promise<boolean> {
  const pauses = await onStack({
    kind: "pause",
    subject: ENDPOINTS.vmPause.subject,
    rate: PAUSES_PER_SECOND,
  });
  const creates = await onStack({
    kind: "create",
    subject: ENDPOINTS.vmCreate.subject,
    rate: CREATES_PER_SECOND,
  });
  return pauses && creates;
}

type Plan = Pick<FloodOrder, "kind" | "subject" | "rate">;

async function onStack(plan: Plan): Promise<boolean> {
  const monitorPort = await freePort();
  const server = await TestServer.start(
    `http: "127.0.0.1:${monitorPort}"\njetstream { sync_interval: always }\n`,
  );
  const services = new Map<string, ChildProcess>();
  try {
    for (const name of SERVICES) services.set(name, await startService(name, server.url));
    const bus = await connectBus({ servers: server.url, name: "flood-b" });
    try {
      return await measure(plan, { bus, url: server.url, services, monitorPort });
    } finally {
      await bus.close();
    }
  } finally {
    for (const child of services.values()) child.kill("SIGKILL");
    await server.stop();
  }
}

interface World {
  readonly bus: Bus;
  readonly url: string;
  readonly services: ReadonlyMap<string, ChildProcess>;
  readonly monitorPort: number;
}

async function startService(name: string, url: string): Promise<ChildProcess> {
  const child = fork(new URL(`../services/${name}/main.ts`, import.meta.url), [], {
    env: {
      ...process.env,
      BIOXEN_NATS_URL: url,
      BIOXEN_LOG_LEVEL: "error",
      BIOXEN_CHASSIS: "ecoli:2",
      BIOXEN_TIME_SCALE: "10",
      BIOXEN_AGENT_ID: "local",
    },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  await new Promise<void>((resolve, reject) => {
    child.once("message", () => resolve());
    child.once("exit", (code) => reject(new Error(`${name} ended with ${code}`)));
  });
  return child;
}

async function measure(plan: Plan, world: World): Promise<boolean> {
  const b = new ClientB(world.bus);
  await b.life("warm-up");
  await b.begin("flooded");
  const memory = new MemoryWatch(world.services);
  await b.work(IDLE_MS);
  await memory.look();
  const idle = { memory: memory.peaks(), p99: b.percentile(0.99) };
  b.reset();
  const working = { on: true };
  const looking = memory.watch(working);
  const order: FloodOrder = { ...plan, url: world.url, seconds: SECONDS };
  const worker = new Worker(new URL("./flood-sender.ts", import.meta.url), { workerData: order });
  let endedAtMs = Number.NaN;
  const result = new Promise<FloodResult>((resolve, reject) => {
    worker.on("error", reject);
    worker.on("message", (message: "sent" | FloodResult) => {
      if (message === "sent") endedAtMs = Date.now();
      else resolve(message);
    });
  });
  await b.work(SECONDS * 1_000);
  const recoveryMs = await b.recovered(() => endedAtMs);
  const { sent, answers, lastAnswerAtMs } = await result;
  working.on = false;
  await looking;
  const peaks = memory.peaks();
  const dropped = await droppedByServer(world);
  return report({
    plan,
    b,
    idle,
    peaks,
    recoveryMs,
    sent,
    answers,
    dropped,
    lastMs: lastAnswerAtMs - endedAtMs,
  });
}

interface Report {
  readonly plan: Plan;
  readonly b: ClientB;
  readonly idle: { readonly memory: ReadonlyMap<string, number>; readonly p99: number };
  readonly peaks: ReadonlyMap<string, number>;
  readonly recoveryMs: number;
  readonly sent: number;
  readonly answers: Readonly<Record<string, number>>;
  readonly dropped: { readonly messages: number; readonly slowConsumers: number };
  readonly lastMs: number;
}

function report({ plan, b, idle, peaks, recoveryMs, sent, answers, dropped, lastMs }: Report): boolean {
  const answered = Object.values(answers).reduce((a, c) => a + c, 0);
  const codes = Object.entries(answers).map(([code, count]) => `${code} ${count}`);
  const p99 = b.percentile(0.99);
  const growth = [...peaks].map(([name, bytes]) => {
    const before = idle.memory.get(name) ?? bytes;
    return { name, before, bytes, ratio: bytes / before };
  });
  const held: Record<string, boolean> = {
    "p99 of B": p99 <= MOST_P99_MS,
    "lives of B": b.failed.length === 0 && b.lives.length > 0,
    "sent = answered + dropped": sent === answered + dropped.messages,
    memory: growth.every(({ ratio }) => ratio <= MOST_MEMORY_RATIO),
    recovery: recoveryMs <= MOST_RECOVERY_MS,
  };
  console.log(`flood      ${plan.rate} vm.${plan.kind} per second for ${SECONDS} s`);
  console.log(
    `  A        ${sent} sent, ${answered} answered (${codes.join(", ")}), the last ${lastMs} ms after the end`,
  );
  console.log(
    `           ${dropped.messages} dropped by the server, which cut ${dropped.slowConsumers} slow consumers`,
  );
  console.log(
    `  B        vm.get p50 ${b.percentile(0.5).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms (limit ${MOST_P99_MS}, idle ${idle.p99.toFixed(1)}); ${b.lives.length} lives, median ${percentileOf(b.lives, 0.5).toFixed(0)} ms, ${b.failed.length} failed ${b.failed.join("; ")}`,
  );
  for (const { name, before, bytes, ratio } of growth) {
    console.log(
      `  memory   ${name.padEnd(18)} ${mib(before)} MiB idle, ${mib(bytes)} MiB at most, ratio ${ratio.toFixed(2)}`,
    );
  }
  console.log(`  recovery ${recoveryMs.toFixed(0)} ms (limit ${MOST_RECOVERY_MS})`);
  for (const [what, isHeld] of Object.entries(held)) if (!isHeld) console.log(`  NOT HELD ${what}`);
  return Object.values(held).every(Boolean);
}

const mib = (bytes: number) => (bytes / BYTES_PER_MIB).toFixed(0).padStart(4);

class MemoryWatch {
  readonly #services: ReadonlyMap<string, ChildProcess>;
  #peaks = new Map<string, number>();

  constructor(services: ReadonlyMap<string, ChildProcess>) {
    this.#services = services;
  }

  async look(): Promise<void> {
    for (const [name, { pid }] of this.#services) {
      const { stdout } = await promisify(execFile)("ps", ["-o", "rss=", "-p", String(pid)]);
      this.#peaks.set(name, Math.max(this.#peaks.get(name) ?? 0, Number(stdout.trim()) * BYTES_PER_KIB));
    }
  }

  async watch(while_: { readonly on: boolean }): Promise<void> {
    while (while_.on) {
      await this.look();
      await sleep(MEMORY_INTERVAL_MS);
    }
  }

  peaks(): ReadonlyMap<string, number> {
    return new Map(this.#peaks);
  }
}

interface Connection {
  readonly name?: string;
  readonly out_msgs: number;
}

/**
 * Returns the number of requests that the server dropped on the way to lifecycle. The server counts the requests that
 * it sent on lifecycle's connection for commands. The requests that lifecycle's endpoints received are subtracted.
 */
async function droppedByServer({ bus, monitorPort }: World): Promise<Report["dropped"]> {
  const read = async <T>(path: string) =>
    (await (await fetch(`http://127.0.0.1:${monitorPort}${path}`)).json()) as T;
  const { slow_consumers: slowConsumers } = await read<{ slow_consumers: number }>("/varz");
  const { connections } = await read<{ connections: Connection[] }>("/connz?state=any&limit=1024");
  const delivered = connections
    .filter(({ name }) => name === "bioxen-lifecycle-commands")
    .reduce((sum, { out_msgs }) => sum + out_msgs, 0);
  const stats = await bus.connection.request("$SRV.STATS.lifecycle", "", { timeout: CALL_TIMEOUT_MS });
  const { endpoints } = stats.json<{ endpoints: { data?: { lane: string }; num_requests: number }[] }>();
  const received = endpoints
    .filter(({ data }) => data?.lane === "commands" || data?.lane === "programs")
    .reduce((sum, { num_requests }) => sum + num_requests, 0);
  return { messages: delivered - received, slowConsumers };
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
