/**
 * A backup of a stack with 20 000 VMs while 300 commands a second go on and cells store a state each second, an
 * increment after 1 000 more events, and the return from the backup alone.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Calls } from "@bioxen/client";
import { type LocalStackOptions, startLocalStack } from "@bioxen/local-stack";
import { connectBus } from "@bioxen/nats";
import { percentileOf } from "./flood-client.ts";
import { rateOf } from "./rate.ts";

const CLI = fileURLToPath(new URL("../packages/cli/src/main.ts", import.meta.url));
const VMS = 20_000;
const RUNNING = 20;
const UNDER_WAY = 64;
const COMMANDS_PER_SECOND = 300;
/** Time of the load without a backup, for comparison, ms. */
const QUIET_MS = 10_000;
const MORE_EVENTS = 1_000;
/** Largest increment for these events: a tenth of a JSON event of 1 KB each, and the states of the cells. */
const MAX_INCREMENT_BYTES = 1_048_576;
const TIMEOUT_MS = 60_000;

/** Prints the figures. Returns whether the restored state equals the original, and the increment is small. */
export async function backup(): Promise<boolean> {
  process.env["BIOXEN_CHECKPOINT_INTERVAL_MS"] = "1000";
  const dir = await mkdtemp(join(tmpdir(), "bioxen-bench-"));
  try {
    return await measured(dir);
  } finally {
    delete process.env["BIOXEN_CHECKPOINT_INTERVAL_MS"];
    await rm(dir, { recursive: true, force: true });
  }
}

async function measured(dir: string): Promise<boolean> {
  const options: LocalStackOptions = { home: dir, chassis: "yeast:2", logLevel: "warn" };
  const bioxen = cliIn(dir);
  const backupDir = join(dir, "backup");
  let stack = await startLocalStack({ ...options, dataDir: join(dir, "data") });
  try {
    const bus = await connectBus({ ...stack.connection, name: "bench" });
    const calls = new Calls(bus, { timeoutMs: TIMEOUT_MS });
    await rateOf(VMS, UNDER_WAY, (i) =>
      calls.ask("vmCreate", { vmId: `vm-${i}`, biologicalType: "syn3a", seed: i } as never),
    );
    await rateOf(RUNNING, UNDER_WAY, (i) => calls.ask("vmStart", { vmId: `vm-${i}` } as never));
    // A client that repeats refused commands would add to the load.
    const loading = new Calls(bus, { timeoutMs: TIMEOUT_MS, repeat: false });
    const quiet = new Load(loading);
    await sleep(QUIET_MS);
    await quiet.end();
    console.log(`load without a backup: ${quiet.figures()}`);

    const busy = new Load(loading);
    const created = await bioxen("backup", "create", backupDir);
    await busy.end();
    console.log(`backup: ${created.elapsedMs} ms, ${created.bytes} bytes, up to event ${created.seq}`);
    console.log(`load with the backup:  ${busy.figures()}`);
    const verified = await timed(() => bioxen("backup", "verify", backupDir));
    console.log(`verify: ${verified.ms} ms, ${verified.result.state}`);

    await rateOf(MORE_EVENTS, UNDER_WAY, (i) => calls.ask("vmResize", resized(RUNNING + i) as never));
    const more = await bioxen("backup", "create", backupDir, "--incremental");
    console.log(
      `increment: ${more.elapsedMs} ms, ${more.bytesAdded} bytes for ${more.seq - created.seq} events`,
    );
    const before = await bioxen("state", "--at", String(more.seq));
    await bus.close();
    await stack.stop();
    await rm(join(dir, "data"), { recursive: true });

    const newData = join(dir, "new");
    const restored = await timed(() => bioxen("backup", "restore", backupDir, "--data", newData));
    const up = await timed(async () => {
      stack = await startLocalStack({ ...options, dataDir: newData });
    });
    console.log(`restore: ${restored.ms} ms; then ready after ${up.ms} ms`);
    const after = await bioxen("state", "--at", String(more.seq));
    const isEqual = JSON.stringify(before) === JSON.stringify(after);
    console.log(`state at event ${more.seq}: ${isEqual ? "equal" : "NOT EQUAL"}`);
    return isEqual && verified.result.state === "valid" && more.bytesAdded <= MAX_INCREMENT_BYTES;
  } finally {
    await stack.stop();
  }
}

function resized(i: number, by = 400) {
  return { vmId: `vm-${i % VMS}`, resources: { ribosomes: by } };
}

/** Commands at a fixed rate: five of six change the request of a VM, the others pause and resume cells. */
class Load {
  readonly #calls: Calls;
  readonly #latenciesMs: number[] = [];
  readonly #startedAtMs = performance.now();
  readonly #timer: NodeJS.Timeout;
  readonly #underWay = new Set<Promise<void>>();
  #sent = 0;
  #failed = 0;

  constructor(calls: Calls) {
    this.#calls = calls;
    this.#timer = setInterval(() => {
      const due = ((performance.now() - this.#startedAtMs) * COMMANDS_PER_SECOND) / 1_000;
      while (this.#sent < due) this.#send(this.#sent++);
    }, 10);
  }

  #send(i: number): void {
    const startedAtMs = performance.now();
    const cell = `vm-${Math.floor(i / 12) % RUNNING}`;
    const asked =
      i % 6 === 0
        ? this.#calls.ask(i % 12 === 0 ? "vmPause" : "vmResume", { vmId: cell } as never)
        : this.#calls.ask("vmResize", resized(RUNNING + i, 300 + (i % 200)) as never);
    const done = asked.then(
      () => void this.#latenciesMs.push(performance.now() - startedAtMs),
      () => {
        this.#failed += 1;
      },
    );
    this.#underWay.add(done);
    void done.then(() => this.#underWay.delete(done));
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
  }

  figures(): string {
    const seconds = (performance.now() - this.#startedAtMs) / 1_000;
    const [p50, p99] = [0.5, 0.99].map((share) => percentileOf(this.#latenciesMs, share).toFixed(1));
    return `${(this.#latenciesMs.length / seconds).toFixed(0)} commands/s answered, p50 ${p50} ms, p99 ${p99} ms, ${this.#failed} refused`;
  }
}

function cliIn(home: string) {
  const env = { ...process.env, BIOXEN_HOME: home, BIOXEN_CONFIG: join(home, "config.yaml") };
  return async (...args: string[]) => {
    // A file, because the state of all VMs has many megabytes.
    const output = await open(join(home, "output.json"), "w+");
    try {
      const child = spawn(process.execPath, [CLI, ...args, "--json"], {
        env,
        stdio: ["ignore", output.fd, "inherit"],
      });
      const [code] = await once(child, "exit");
      if (code !== 0) throw new Error(`bioxen ${args.join(" ")} ended with ${code}`);
      return JSON.parse(await readFile(join(home, "output.json"), "utf8"));
    } finally {
      await output.close();
    }
  };
}

async function timed<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly ms: number }> {
  const startedAtMs = performance.now();
  const result = await work();
  return { result, ms: Math.round(performance.now() - startedAtMs) };
}
