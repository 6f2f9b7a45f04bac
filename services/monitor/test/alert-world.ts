/**
 * A cluster of monitor instances in one process: they share a log, a clock and a bus.
 */
import {
  type AggregateKind,
  type AlertNotification,
  type ChassisSample,
  chassisTelemetrySubject,
  type Delivered,
  domainEventOf,
  ENDPOINTS,
  type EndpointName,
  FULL_DEMAND,
  type MetricName,
  REFERENCE_DOUBLING_MINUTES,
  type RequestOf,
  type VmSample,
  vmTelemetrySubject,
} from "@bioxen/contracts";
import { type EventBody, EventFeed, type ServicePorts, StoredLeases, UNTRACED } from "@bioxen/kernel";
import {
  appendNext,
  createdVm,
  FakeClock,
  idsInOrder,
  MemoryBlobs,
  MemoryCourses,
  MemoryEventLog,
  MemoryLeaseStore,
  registeredChassis,
  settle,
} from "@bioxen/testkit";
import type { Webhooks } from "../src/app/alert-deliveries.ts";
import { createMonitor } from "../src/app/service.ts";

type Hear = (payload: unknown, subject: string) => void;

/** Longer than the takeover of a lease takes, ms. */
export const TAKEOVER_MS = 6_000;

/** Instances of all worlds: two worlds may share a log, in which no event id may occur twice. */
let startedInstances = 0;

export class AlertWorld {
  readonly clock = new FakeClock();
  readonly log = new MemoryEventLog();
  readonly published: AlertNotification[] = [];
  /** The posts to webhooks, in order. */
  readonly posted: { readonly webhook: string; readonly notification: AlertNotification }[] = [];
  /** Answers to the next posts; further posts are taken. */
  readonly answers: Delivered[] = [];
  readonly #leases = new MemoryLeaseStore();
  readonly #listeners = new Set<{ readonly pattern: RegExp; readonly hear: Hear }>();
  readonly #instances: Instance[] = [];
  readonly #numbers = new Map<string, number>();
  webhookNames: string[] = [];
  #heartbeats = 0;
  /** The deliveries of events that wait while feeds are held; undefined while feeds deliver at once. */
  #heldDeliveries: (() => void)[] | undefined;

  /** Holds the delivery of events to all instances (true), or delivers the held events and all later ones (false). */
  holdFeeds(isHeld: boolean): void {
    const held = this.#heldDeliveries ?? [];
    this.#heldDeliveries = isHeld ? held : undefined;
    if (!isHeld) for (const deliver of held) deliver();
  }

  /** Stops all instances of this world at once. */
  killAll(): void {
    for (const instance of this.#instances) instance.kill();
  }

  /** Overwrites the record of the lease, so that another instance takes it while the holder believes to hold it. */
  async freeLease(): Promise<void> {
    const held = await this.#leases.read("monitor");
    if (held === undefined) throw new Error("no instance has taken the lease");
    await this.#leases.write("monitor", { holder: null, token: held.token }, held.revision);
  }

  /** Further fields of the heartbeats of all living chassis. */
  heartbeatFields: Partial<ChassisSample> = {};

  /** Registers a chassis whose agent sends a heartbeat every second until the end. */
  async livingChassis(chassisId: string): Promise<void> {
    await this.chassis(chassisId);
    this.clock.every(1_000, () => {
      this.#heartbeats += 1;
      const sample: ChassisSample = {
        chassisId,
        agentId: "a",
        atMs: this.clock.nowMs(),
        sampleNumber: this.#heartbeats,
        guests: 0,
        strays: 0,
        eventLoopLagMs: 0,
        appliedSeq: 1,
        ...this.heartbeatFields,
      };
      this.publish(chassisTelemetrySubject(chassisId), sample);
    });
  }

  /** Starts one more instance, and resolves when it serves. */
  async start(): Promise<Instance> {
    startedInstances += 1;
    const number = startedInstances;
    const isAlive = () => instance.alive;
    const own = new Set<{ readonly pattern: RegExp; readonly hear: Hear }>();
    const timers: ServicePorts["timers"] = {
      after: (delayMs, callback) => this.clock.after(delayMs, () => isAlive() && callback()),
      every: (intervalMs, callback) => this.clock.every(intervalMs, () => isAlive() && callback()),
    };
    const dead = new Promise<never>(() => undefined);
    const alive = async <T>(work: Promise<T>): Promise<T> => {
      const value = await work;
      return isAlive() ? value : dead;
    };
    const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
    const world = { clock: this.clock, timers, ids: idsInOrder(`i${number}`), logger };
    const awake = async <T>(work: () => Promise<T>): Promise<T> => {
      await instance.awake;
      return isAlive() ? alive(work()) : dead;
    };
    const store = {
      read: (name: string) => awake(() => this.#leases.read(name)),
      write: (...args: Parameters<MemoryLeaseStore["write"]>) => awake(() => this.#leases.write(...args)),
    };
    const ports: ServicePorts = {
      ...world,
      log: {
        append: (...args) => awake(() => this.log.append(...args)),
        read: (...args) => this.log.read(...args),
        readMessages: (...args) => this.log.readMessages(...args),
        messageAt: (seq) => this.log.messageAt(seq),
        lastSeq: () => this.log.lastSeq(),
        follow: (options) => {
          const onEvent: typeof options.onEvent = (event) => {
            if (this.#heldDeliveries !== undefined) this.#heldDeliveries.push(() => onEvent(event));
            else if (isAlive()) options.onEvent(event);
          };
          return this.log.follow({ ...options, onEvent });
        },
      },
      bus: {
        call: () => dead,
        publish: (subject, payload) => {
          if (isAlive() && subject.startsWith("bioxen.alert."))
            this.published.push(payload as AlertNotification);
        },
        subscribe: (subject, hear) => {
          const listener = { pattern: new RegExp(`^${subject.replaceAll("*", "[^.]+")}$`), hear };
          own.add(listener);
          this.#listeners.add(listener);
          return { stop: () => void this.#listeners.delete(listener) };
        },
      },
      leases: new StoredLeases({ ...world, store, monotonicMs: () => this.clock.nowMs() }),
      tracer: UNTRACED,
      blobs: new MemoryBlobs(),
      courses: new MemoryCourses(),
    };
    const service = createMonitor(ports, { webhooks: this.#webhooks(isAlive) });
    const instance = new Instance(service, () => {
      for (const listener of own) this.#listeners.delete(listener);
    });
    this.#instances.push(instance);
    const feed = new EventFeed(ports.log, service.sinks, ports.timers);
    await feed.start();
    service.begin(feed);
    await this.clock.advance(0);
    return instance;
  }

  #webhooks(isAlive: () => boolean): Webhooks {
    return {
      names: this.webhookNames,
      post: async (webhook, notification) => {
        if (!isAlive()) return new Promise<never>(() => undefined);
        this.posted.push({ webhook, notification });
        return this.answers.shift() ?? { kind: "taken" };
      },
    };
  }

  /** Appends an event of another service. */
  async append(kind: AggregateKind, id: string, body: EventBody): Promise<void> {
    const time = new Date(this.clock.nowMs()).toISOString();
    await appendNext(this.log, kind, id, body, { time });
    await settle();
  }

  async runningVm(vmId: string, labels: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.append("vm", vmId, createdVm({ request: FULL_DEMAND.syn3a, seed: 1, labels }));
    await this.append("vm", vmId, { type: "bioxen.vm.start-requested.v1", data: { automatic: false } });
    const place = { chassisId: "c", fence: 1, allocation: FULL_DEMAND.syn3a };
    await this.append("vm", vmId, { type: "bioxen.vm.placed.v1", data: place });
    await this.append("vm", vmId, { type: "bioxen.vm.started.v1", data: { fence: 1 } });
  }

  chassis(chassisId: string): Promise<void> {
    return this.append("chassis", chassisId, registeredChassis());
  }

  /** Publishes a sample of each VM with this growth and lets a second pass, `seconds` times. */
  async grow(growthPermille: Readonly<Record<string, number>>, seconds = 1): Promise<void> {
    for (let i = 0; i < seconds; i += 1) {
      for (const [vmId, permille] of Object.entries(growthPermille)) this.sample(vmId, permille);
      await this.clock.advance(1_000);
    }
  }

  sample(vmId: string, growthPermille: number, fields: Partial<VmSample> = {}): void {
    const rate = (Math.LN2 / REFERENCE_DOUBLING_MINUTES.syn3a) * (growthPermille / 1_000);
    const sampleNumber = (this.#numbers.get(vmId) ?? 0) + 1;
    this.#numbers.set(vmId, sampleNumber);
    const sample: VmSample = {
      vmId,
      chassisId: "c",
      atMs: this.clock.nowMs(),
      sampleNumber,
      state: "running",
      simMinutes: 0,
      growthRatePerMinute: rate,
      doublingTimeMinutes: Math.LN2 / rate,
      ribosomes: { total: 1, engaged: 0, cap: 1 },
      atp: { molecules: 1, perSecond: 0, capPerSecond: 1 },
      rnaPolymerases: { cap: 1 },
      proteinAminoAcids: 1,
      divisions: 0,
      luaInstructions: 0,
      health: Math.min(100, Math.round(growthPermille / 10)),
      lagMs: 0,
      ...fields,
    };
    this.publish(vmTelemetrySubject(vmId), sample);
  }

  publish(subject: string, payload: unknown): void {
    for (const { pattern, hear } of [...this.#listeners]) if (pattern.test(subject)) hear(payload, subject);
  }

  /** Returns the events of a rule in short: `raised a`, `cleared a`, `set`, `removed`. */
  async events(ruleId: string): Promise<string[]> {
    const events = await this.log.read(`bioxen.evt.alert.${ruleId}`, 0);
    return events.flatMap(({ envelope }) => {
      const event = domainEventOf(envelope);
      if (event.type === "bioxen.alert.raised.v1") return [`raised ${event.data.target}`];
      if (event.type === "bioxen.alert.cleared.v1") return [`cleared ${event.data.target}`];
      if (event.type === "bioxen.alert.rule-set.v1") return ["set"];
      return event.type === "bioxen.alert.rule-removed.v1" ? ["removed"] : [];
    });
  }

  notifications(): string[] {
    return this.published.map(({ state, target }) => `${state} ${target}`);
  }
}

export class Instance {
  alive = true;
  /** Resolves once the appends and lease requests of the instance arrive. */
  awake: Promise<void> = Promise.resolve();
  readonly #service: ReturnType<typeof createMonitor>;
  readonly #unsubscribe: () => void;
  #commands = 0;

  constructor(service: ReturnType<typeof createMonitor>, unsubscribe: () => void) {
    this.#service = service;
    this.#unsubscribe = unsubscribe;
  }

  /** Stops the instance at once: work in progress has no further effect. */
  kill(): void {
    this.alive = false;
    this.#unsubscribe();
  }

  /** Stops the delivery of telemetry to the instance. Its present values stay as they are. */
  deafen(): void {
    this.#unsubscribe();
  }

  /** Delays the appends and lease requests of the instance until the returned function is called. */
  delayed(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.awake = promise;
    return resolve;
  }

  end(): Promise<void> {
    return Promise.resolve(this.#service.end());
  }

  /** Returns the values of a metric by the values of its labels: `{ "ops taken": 1 }`. */
  measured(metric: MetricName): Readonly<Record<string, number>> {
    const all = [...this.#service.measure(), ...this.#service.measureVms()];
    const values = all.find((one) => one.metric === metric)?.values ?? [];
    return Object.fromEntries(
      values.map(({ value, labels = {} }) => [Object.values(labels).join(" "), value]),
    );
  }

  // biome-ignore lint/suspicious/noExplicitAny: as a caller sees a reply, untyped.
  async ask<N extends EndpointName>(name: N, request: RequestOf<N>): Promise<any> {
    const { subject, request: schema } = ENDPOINTS[name];
    const served = this.#service.endpoints.find(({ endpoint }) => endpoint.subject === subject);
    if (served === undefined) throw new Error(`no endpoint serves ${subject}`);
    this.#commands += 1;
    const causeId = `command-${this.#commands}`;
    const parsed = schema.parse(request);
    const answer = await served.handle(parsed as never, {
      causeId,
      correlationId: causeId,
      deduplicate: false,
    });
    return answer.ok ? answer.result : answer.rejection;
  }
}
