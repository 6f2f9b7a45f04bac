/**
 * A server with the streams of durable commands, workers that the test starts, and an effect that can be counted.
 *
 * Each `vm.start` appends an event to the real log unless its id is already there, so a second effect is visible.
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
  openJobCancellation,
  openJobWorker,
  openOutcomes,
} from "@bioxen/nats";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { eventually, TestServer } from "../src/index.ts";

export const JOB = "bioxen.job.vm.start";
/** Factor by which the timers of workers are sped up: all retries together wait half a minute in production. */
const SPEED_UP = 20;

const NEVER = new Promise<never>(() => undefined);

/** A lease that is held until the test ends it. */
export class ScriptedLeases implements Leases {
  readonly #listeners: LeaseListener[] = [];
  #token: number | undefined = 1;

  contend(_name: string, listener: LeaseListener): Lease {
    this.#listeners.push(listener);
    queueMicrotask(() => this.#token !== undefined && listener.onHeld(1));
    return { token: () => this.#token, surpass: () => undefined, release: async () => undefined };
  }

  async tokenOnRecord(): Promise<number | undefined> {
    return this.#token;
  }

  lose(): void {
    this.#token = undefined;
    for (const listener of this.#listeners) listener.onLost();
  }
}

const fastTimers: Timers = {
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs / SPEED_UP);
    return { cancel: () => clearTimeout(timer) };
  },
  every(intervalMs, callback) {
    const timer = setInterval(callback, intervalMs / SPEED_UP);
    return { cancel: () => clearInterval(timer) };
  },
};

export class JobWorld {
  readonly server: TestServer;
  readonly bus: Bus;
  readonly client: NatsConnection;
  readonly jobs: Jobs;
  /** By VM: what a worker waits for after it has appended the event. */
  readonly after = new Map<string, () => Promise<unknown> | unknown>();
  /** By VM: the rejection that a worker answers instead of appending an event. */
  readonly refusals = new Map<string, ReturnType<typeof refuse>>();
  /** `<vmId> <job id>` of each attempt, in order. */
  tried: string[] = [];
  /** Offset of the workers' clock, ms. */
  aheadMs = 0;
  #workers: JobWorker[] = [];
  #instances = 0;
  #names = 0;
  /** Instances up to this number behave as killed processes. */
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

  /** Makes all workers behave as killed processes: they lose the lease, and their work is not awaited. */
  abandonWorkers(leases: ScriptedLeases): void {
    this.#workers = [];
    this.#killed = this.#instances;
    leases.lose();
  }

  /** Starts a worker with its own caches, as a new process. */
  async startWorker(leases: Leases = new ScriptedLeases(), maxHeldBytes?: number): Promise<void> {
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
      // A redelivered job can still reach a killed worker, which must do nothing.
      if (instance <= this.#killed) return NEVER;
      this.tried.push(`${vmId} ${causation.causeId.split(":")[1]}`);
      const refusal = this.refusals.get(vmId);
      if (refusal !== undefined) return refusal;
      const executed = await effects.execute(vmId, causation, () => ({
        ok: true,
        event: { type: "bioxen.chassis.cordoned.v1", data: {} },
      }));
      if (!executed.ok) throw new Error("unexpected rejection");
      await this.after.get(vmId)?.();
      // The worker was killed since, so it never answers.
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
      timers: fastTimers,
      unavailable: () => undefined,
      onFault: () => undefined,
      ...(maxHeldBytes === undefined ? {} : { maxHeldBytes }),
    });
    this.#workers.push(worker);
  }

  /** An unused name, so that a retried test does not meet the events of its first attempt. */
  fresh(name: string): string {
    this.#names += 1;
    return `${name}-${this.#names}`;
  }

  /** Publishes until the job is acknowledged, because tests kill and restart the server. */
  async publish(
    payload: string | Uint8Array,
    id: string | undefined,
    subject = JOB,
    fields: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const h = headers();
    for (const [name, value] of Object.entries(fields)) h.set(name, value);
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

  /** Cancels the job as the lifecycle service does. Returns whether that changed the job, or the code of the refusal. */
  async cancel(id: string): Promise<{ readonly changed: boolean } | { readonly refused: string }> {
    const { handle } = await openJobCancellation(this.bus, await openOutcomes(this.bus));
    const answer = await handle({ id } as never, {} as never, 0);
    if (!answer.ok) return { refused: answer.rejection.code };
    return { changed: answer.result["changed"] === true };
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
