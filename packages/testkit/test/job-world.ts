/**
 * A server with the streams of durable commands, workers as the test starts them, and an effect that can be
 * counted.
 *
 * Each `vm.start` appends an event to the real log unless its id is there already, so that a second effect would be
 * seen.
 */
import { ENDPOINTS, type refuse, serve } from "@bioxen/contracts";
import {
  Aggregates,
  type Causation,
  type Lease,
  type LeaseListener,
  type Leases,
  type Reply,
  type Timers,
} from "@bioxen/kernel";
import {
  type Bus,
  connectBus,
  Jobs,
  type JobWorker,
  openEventLog,
  openJobWorker,
  openOutcomes,
} from "@bioxen/nats";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { eventually, TestServer } from "../src/index.ts";

export const JOB = "bioxen.job.vm.start";
/** Retries wait half a minute in all; the test does not. */
const HASTE = 20;

const NEVER = new Promise<never>(() => undefined);

/** A lease as the test says. */
export class ToldLeases implements Leases {
  readonly #listeners: LeaseListener[] = [];
  #token: number | undefined = 1;

  contend(_name: string, listener: LeaseListener): Lease {
    this.#listeners.push(listener);
    queueMicrotask(() => this.#token !== undefined && listener.onHeld(1));
    return { token: () => this.#token, surpass: () => undefined, release: async () => undefined };
  }

  lose(): void {
    this.#token = undefined;
    for (const listener of this.#listeners) listener.onLost();
  }
}

const hasty: Timers = {
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs / HASTE);
    return { cancel: () => clearTimeout(timer) };
  },
  every(intervalMs, callback) {
    const timer = setInterval(callback, intervalMs / HASTE);
    return { cancel: () => clearInterval(timer) };
  },
};

export class JobWorld {
  readonly server: TestServer;
  readonly bus: Bus;
  readonly client: NatsConnection;
  readonly jobs: Jobs;
  /** Waited for once its effect is there, by VM. */
  readonly after = new Map<string, () => Promise<unknown> | unknown>();
  /** What is answered instead of an effect, by VM. */
  readonly refusals = new Map<string, ReturnType<typeof refuse>>();
  /** `<vmId> <job id>` of each try, in order. */
  tried: string[] = [];
  /** How far the clock of workers is ahead, ms. */
  aheadMs = 0;
  #workers: JobWorker[] = [];
  #instances = 0;
  #names = 0;
  /** Instances up to this one are as if their process was gone. */
  #killed = 0;

  private constructor(server: TestServer, bus: Bus, client: NatsConnection) {
    this.server = server;
    this.bus = bus;
    this.client = client;
    this.jobs = new Jobs(bus);
  }

  static async open(): Promise<JobWorld> {
    const server = await TestServer.start();
    const bus = await connectBus({ servers: server.url, name: "jobs" });
    await openEventLog(bus);
    const client = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    return new JobWorld(server, bus, client);
  }

  async close(): Promise<void> {
    await this.stopWorkers();
    await this.client.close();
    await this.bus.close();
    await this.server.stop();
  }

  async stopWorkers(): Promise<void> {
    await Promise.all(this.#workers.splice(0).map((worker) => worker.stop()));
  }

  /** As if their process was killed: they lose the lease, and nobody waits for them. */
  abandonWorkers(leases: ToldLeases): void {
    this.#workers = [];
    this.#killed = this.#instances;
    leases.lose();
  }

  /** An instance with a memory of its own. */
  async startWorker(leases: Leases = new ToldLeases()): Promise<void> {
    this.#instances += 1;
    const instance = this.#instances;
    let ids = 0;
    const newId = () => {
      ids += 1;
      return `${instance}-${ids}`;
    };
    const effects = new Aggregates({
      kind: "chassis",
      fold: { schema: 1, initial: 0, evolve: (count: number) => count + 1 },
      log: await openEventLog(this.bus),
      clock: { nowMs: () => Date.now() + this.aheadMs },
      ids: { next: newId },
      source: "/bioxen/test",
    });
    const start = async ({ vmId }: { vmId: string }, causation: Causation) => {
      // A job that is delivered again may still reach one that was killed: it does nothing any more.
      if (instance <= this.#killed) return NEVER;
      this.tried.push(`${vmId} ${causation.causeId.split(":")[1]}`);
      const refusal = this.refusals.get(vmId);
      if (refusal !== undefined) return refusal;
      const executed = await effects.execute(vmId, causation, () => ({
        ok: true,
        event: { type: "bioxen.chassis.cordoned.v1", data: {} },
      }));
      if (!executed.ok) throw new Error("refuses nothing");
      await this.after.get(vmId)?.();
      // Killed on its way here: what it would have answered, nobody hears.
      if (instance <= this.#killed) return NEVER;
      return { ok: true, result: { changed: true, vm: { vmId } as never } } as const;
    };
    const worker = await openJobWorker({
      bus: this.bus,
      service: "lifecycle",
      leases,
      endpoints: [serve(ENDPOINTS.vmStart, start)],
      outcomes: await openOutcomes(this.bus),
      newId,
      timers: hasty,
      unavailable: () => undefined,
      onFault: () => undefined,
    });
    this.#workers.push(worker);
  }

  /** A name nobody has used: a test that is tried again must not find what its first try left behind. */
  fresh(name: string): string {
    this.#names += 1;
    return `${name}-${this.#names}`;
  }

  /** Published until it is acknowledged: servers go and come here. */
  async publish(payload: string | Uint8Array, id: string | undefined, subject = JOB): Promise<void> {
    const h = headers();
    if (id !== undefined) h.set("Nats-Msg-Id", id);
    const ack = await eventually(`a job on ${subject} is acknowledged`, () =>
      this.client.request(subject, payload, { headers: h, timeout: 1_000 }).catch(() => undefined),
    );
    const { error } = ack.json<{ error?: unknown }>();
    if (error !== undefined) throw new Error(JSON.stringify(error));
  }

  start(vmId: string, id: string): Promise<void> {
    return this.publish(JSON.stringify({ vmId }), id);
  }

  outcomeOf(id: string): Promise<Reply | undefined> {
    return this.jobs.waitForOutcome(id, 10_000);
  }

  async effectsOn(vmId: string): Promise<number> {
    return (await (await openEventLog(this.bus)).read(`bioxen.evt.chassis.${vmId}`, 0)).length;
  }

  async isEmpty(): Promise<void> {
    await eventually("nothing waits", async () =>
      (await this.jobs.waiting(10).catch(() => [1])).length === 0 ? true : undefined,
    );
  }
}
