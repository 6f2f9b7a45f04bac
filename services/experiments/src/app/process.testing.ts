/**
 * An experiments service in memory, with a stand-in for lifecycle: it keeps VMs in the log, gives the first outcome to a
 * repeated command, and has courses that follow from the seed. A run can crash at any call and at any append.
 */
import {
  ENDPOINTS,
  type ExperimentState,
  eventSubject,
  experimentFold,
  experimentOf,
  type VmState,
  vmFold,
} from "@bioxen/contracts";
import {
  Aggregates,
  type AppendResult,
  type CallOptions,
  type EventEnvelope,
  EventFeed,
  ReadModel,
  type Reply,
} from "@bioxen/kernel";
import { appendNext, createdVm, FakeClock, idsInOrder, MemoryEventLog, settle } from "@bioxen/testkit";
import { experimentDecider } from "../domain/experiment.ts";
import { PlannedExperiments } from "./planned.ts";
import { ExperimentProcess } from "./process.ts";

export const FILE = {
  experiment: "x",
  base: { biologicalType: "ecoli", config: { parameterSet: "weisse-2015" } },
  sweep: { "environment.nutrientQuality": [0.1, 0.5] },
  replicates: 2,
  untilMinute: 20,
  record: { everyMinutes: 10, fields: ["a"] },
};
const UNTIL = { simMinutes: 20, then: "stop" } as const;
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const CAUSE = { causeId: "c", correlationId: "c", deduplicate: false, principal: "alice" };

/** Where a process crashes: at call or append number `at`, before its effect or after it. */
export interface Crash {
  readonly what: "call" | "append";
  readonly at: number;
  readonly when: "before" | "after";
}

/** The end of a process: no code of the service catches it, because it never resolves. */
const NEVER = new Promise<never>(() => {});

/** What stands in for lifecycle, allocator and agents. It outlives every crash of the service. */
export class StandIn {
  readonly log = new MemoryEventLog();
  readonly calls: string[] = [];
  readonly created: string[] = [];
  readonly #outcomes = new Map<string, Reply>();
  /** True: a VM ends as soon as it is started. */
  runsToEnd = true;
  /** Refuses each start with this reply. */
  refusal: Reply | undefined;

  async vm(vmId: string): Promise<VmState> {
    const model = new ReadModel<VmState>("vm", vmFold);
    for (const event of await this.log.read(eventSubject("vm", vmId), 0)) model.apply(event);
    return model.get(vmId);
  }

  async call(subject: string, payload: unknown, options: CallOptions): Promise<Reply> {
    const request = payload as { vmId: string; labels: Record<string, string>; seed: number };
    const key = options.messageId === undefined ? undefined : `${subject} ${options.messageId}`;
    const known = key === undefined ? undefined : this.#outcomes.get(key);
    if (known !== undefined) return known;
    this.calls.push(`${subject.split(".").at(-1)} ${request.vmId}`);
    const reply = await this.#carriedOut(subject, request);
    if (key !== undefined) this.#outcomes.set(key, reply);
    return reply;
  }

  async #carriedOut(subject: string, request: Parameters<StandIn["call"]>[1]): Promise<Reply> {
    const { vmId, labels, seed } = request as { vmId: string; labels: Record<string, string>; seed: number };
    const vm = await this.vm(vmId);
    const happen = (type: string, data: object) =>
      appendNext(this.log, "vm", vmId, { type: `bioxen.vm.${type}.v1`, data });
    switch (subject) {
      case ENDPOINTS.vmCreate.subject: {
        if (vm.exists && vm.state !== "destroyed") return refusal("VM_ALREADY_EXISTS");
        this.created.push(vmId);
        const incarnation = vm.exists ? vm.incarnation + 1 : 1;
        await appendNext(this.log, "vm", vmId, createdVm({ labels, seed, incarnation, until: UNTIL }));
        return { ok: true, changed: true, vm: {} };
      }
      case ENDPOINTS.vmStart.subject:
        if (this.refusal !== undefined) return this.refusal;
        if (!vm.exists || vm.state !== "created") return refusal("INVALID_TRANSITION");
        await happen("start-requested", { automatic: false });
        await happen("placed", { chassisId: "c", fence: 1, allocation: {} });
        await happen("started", { fence: 1 });
        if (this.runsToEnd) {
          await happen("until-reached", { fence: 1, simMinute: UNTIL.simMinutes, then: UNTIL.then });
          await happen("stopped", { reason: "it reached its last minute" });
        }
        return { ok: true, changed: true, vm: {} };
      case ENDPOINTS.vmDestroy.subject:
        if (!vm.exists) return refusal("VM_NOT_FOUND");
        if (vm.state !== "destroyed") await happen("destroyed", { reason: "by command" });
        return { ok: true, changed: true, vm: {} };
      default: {
        const rows = [0, 10, 20].map((minute) => [minute, 0, vm.exists ? vm.seed + minute : null]);
        const columns = ["minute", "branch", "a"].map((name) => ({ name, unit: "1" }));
        return { ok: true, columns, rows, cursor: null };
      }
    }
  }
}

function refusal(code: string): Reply {
  return { ok: false, error: { code, message: code, retryable: false } };
}

export { refusal };

/** One life of the service's process. */
export class Life {
  readonly clock = new FakeClock();
  readonly experiments: Aggregates<ExperimentState>;
  readonly process: ExperimentProcess;
  readonly #feed: EventFeed;
  /** Number of calls and appends of this life. */
  readonly counts = { call: 0, append: 0 };
  hasCrashed = false;

  private constructor(standIn: StandIn, name: string, crash: Crash | undefined) {
    const { clock } = this;
    const dying = async <T>(what: Crash["what"], effect: () => Promise<T>): Promise<T> => {
      if (this.hasCrashed) return NEVER;
      this.counts[what] += 1;
      const isHere = crash?.what === what && crash.at === this.counts[what];
      if (isHere) this.hasCrashed = true;
      if (isHere && crash.when === "before") return NEVER;
      const result = await effect();
      return this.hasCrashed ? NEVER : result;
    };
    const log = Object.create(standIn.log, {
      append: {
        value: (subject: string, envelope: EventEnvelope, seq: number): Promise<AppendResult> =>
          dying("append", () => standIn.log.append(subject, envelope, seq)),
      },
    }) as MemoryEventLog;
    const bus = {
      call: (subject: string, payload: unknown, options: CallOptions) =>
        dying("call", () => standIn.call(subject, payload, options)),
    };
    const ids = idsInOrder(name);
    const ports = {
      log: standIn.log,
      bus,
      clock,
      timers: clock,
      ids,
      logger: silent,
    } as never;
    const source = "/bioxen/experiments";
    const shared = { log: bound(log, standIn.log), clock, ids, source };
    this.experiments = new Aggregates<ExperimentState>({
      kind: "experiment",
      fold: experimentFold,
      ...shared,
    });
    const vms = new ReadModel<VmState>("vm", vmFold);
    const acts = () => !this.hasCrashed;
    const planned = new PlannedExperiments();
    this.process = new ExperimentProcess({ experiments: this.experiments, vms, planned, acts }, ports);
    this.#feed = new EventFeed(standIn.log, [this.experiments, vms], clock);
  }

  static async begin(standIn: StandIn, name: string, crash?: Crash): Promise<Life> {
    const life = new Life(standIn, name, crash);
    await life.#feed.start();
    life.process.begin(life.#feed);
    life.process.takeOver();
    return life;
  }

  /** Lets the time pass until nothing happens any more, or the process has crashed. */
  async run(): Promise<void> {
    for (let i = 0; i < 40 && !this.hasCrashed; i += 1) {
      await this.clock.advance(500);
      await settle();
    }
  }

  async start(file: object = FILE): Promise<void> {
    const parsed = experimentOf(file);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    const { digest, vmCount, rowsPerVm } = parsed.experiment;
    const started = { file: file as never, digest, seed: 1, vmCount, rowsPerVm, bioxenVersion: "0" };
    await this.#decide({ type: "start", experimentId: "x", started });
  }

  cancel(): Promise<void> {
    return this.#decide({ type: "cancel", experimentId: "x" });
  }

  async #decide(command: Parameters<typeof experimentDecider.decide>[1]): Promise<void> {
    await this.experiments.execute("x", CAUSE, (state) => experimentDecider.decide(state, command));
  }

  get state() {
    const { state } = this.experiments.get("x");
    if (!state.exists) throw new Error("the experiment was started");
    return state;
  }
}

/** Returns the log with its own methods, and with `append` of `dying`. */
function bound(dying: MemoryEventLog, log: MemoryEventLog): MemoryEventLog {
  return new Proxy(log, {
    get(target, name) {
      if (name === "append") return dying.append;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === "function" ? (value as () => unknown).bind(target) : value;
    },
  });
}
