/**
 * Clients of a simulated cluster: random commands on few VMs, each repeated under one message id until it is answered.
 */
import { ENDPOINTS, type EndpointName } from "@bioxen/contracts";
import { Fault, type StoredEvent } from "@bioxen/kernel";
import type { SimBus } from "./bus.ts";
import type { Faults } from "./faults.ts";
import type { Universe } from "./universe.ts";

const VERBS = [
  "vmCreate",
  "vmCreate",
  "vmStart",
  "vmStart",
  "vmStart",
  "vmStop",
  "vmPause",
  "vmResume",
  "vmResize",
  "vmSetEnvironment",
  "vmExec",
  "vmMigrate",
  "vmMigrate",
  "vmCancelMigration",
  "vmDestroy",
  "quotaSet",
  "vmSnapshot",
  "vmSnapshot",
  "vmRestore",
  "vmFork",
  "vmDeleteSnapshot",
] as const satisfies readonly EndpointName[];

/** Verbs of a crowded run: most VMs exist and want to run, and no quota stops them. */
const CROWDED_VERBS = [
  ...VERBS.filter((verb) => verb !== "quotaSet"),
  "vmCreate",
  "vmCreate",
  "vmStart",
  "vmStart",
  "vmStart",
] as const satisfies readonly EndpointName[];

const MOVE_VERBS: readonly EndpointName[] = ["vmMigrate", "vmCancelMigration"];

/** Verbs that act at a minute of a cell: they are refused, or act at no minute, for a VM without a guest. */
const CELL_VERBS: readonly EndpointName[] = ["vmResize", "vmSetEnvironment", "vmExec"];

const TIMEOUT_MS = 3_000;
/** The last minute of a cell for which a client asks that something acts on it. */
export const LAST_ACT_MINUTE = 30;

/** A command that was answered `changed: true`: the log must contain its event once. */
export interface Acknowledged {
  readonly causeId: string;
  readonly vmId: string;
}

/** What the clients know about the cluster. */
export interface Fleet {
  readonly movable: () => readonly string[];
  readonly running: () => readonly string[];
  readonly paused: () => readonly string[];
  readonly kept: () => readonly { readonly vmId: string; readonly snapshotId: string }[];
}

export class Clients {
  readonly #universe: Universe;
  readonly #faults: Faults;
  readonly #bus: SimBus;
  /** In every other run all VMs compete for large shares of one chassis. */
  readonly #isCrowded: boolean;
  acknowledged: Acknowledged[] = [];
  /** Commands not answered yet. */
  open = 0;

  /** Running VMs that are not bound to a type of chassis: a move of another VM is mostly refused. */
  readonly #movable: () => readonly string[];

  readonly #running: () => readonly string[];

  /** Paused VMs: a resume of another VM is mostly refused. */
  readonly #paused: () => readonly string[];

  /** Existing snapshots: a random id rarely hits one. */
  readonly #kept: () => readonly { readonly vmId: string; readonly snapshotId: string }[];

  constructor(universe: Universe, faults: Faults, bus: SimBus, fleet: Fleet) {
    this.#movable = fleet.movable;
    this.#running = fleet.running;
    this.#paused = fleet.paused;
    this.#kept = fleet.kept;
    this.#universe = universe;
    this.#faults = faults;
    this.#bus = bus;
    this.#isCrowded = universe.chance(0.5);
  }

  /** Forgets the acknowledged commands whose event is not in this log: an operator has accepted their loss. */
  forgetLost(events: readonly StoredEvent[]): void {
    const kept = new Set(events.map(({ envelope }) => envelope.causationid));
    this.acknowledged = this.acknowledged.filter(({ causeId }) => kept.has(causeId));
  }

  /** Sends `count` commands, spread over `spanMs`. */
  send(count: number, spanMs: number, vms: number): void {
    for (let i = 0; i < count; i += 1) {
      this.#universe.after(this.#universe.between(0, spanMs), () => void this.#insist(i, vms));
    }
  }

  async #insist(number: number, vms: number): Promise<void> {
    const verb = this.#universe.pick(this.#isCrowded ? CROWDED_VERBS : VERBS);
    const anyVm = `vm-${this.#universe.between(1, vms)}`;
    const isPicked = this.#universe.chance(0.8);
    const movable = MOVE_VERBS.includes(verb) && isPicked ? this.#movable() : [];
    const running = CELL_VERBS.includes(verb) && isPicked ? this.#running() : [];
    const paused = verb === "vmResume" && isPicked ? this.#paused() : [];
    const suitable = [...movable, ...running, ...paused];
    const vmId = suitable.length === 0 ? anyVm : this.#universe.pick(suitable);
    const { subject } = ENDPOINTS[verb];
    const isOfSnapshot = verb === "vmDeleteSnapshot" || verb === "vmRestore";
    const snapshots = isOfSnapshot && this.#universe.chance(0.7) ? this.#kept() : [];
    const kept = snapshots.length === 0 ? undefined : this.#universe.pick(snapshots);
    const payload = kept ?? this.#payload(verb, vmId, vms);
    const messageId = `m${number}`;
    this.open += 1;
    for (;;) {
      try {
        const reply = await this.#bus.call(subject, payload, { timeoutMs: TIMEOUT_MS, messageId });
        const isNotNow = !reply.ok && reply.error.retryable;
        if (isNotNow && ["UNAVAILABLE", "CONFLICT"].includes(reply.error.code)) {
          // A lost chassis refuses VMs for seconds: without a pause the run would consist of these retries.
          await this.#universe.delay(this.#universe.between(10, 500));
          continue;
        }
        if (reply.ok && reply["changed"] === true && verb !== "quotaSet") {
          this.acknowledged.push({ causeId: `${subject}:${messageId}`, vmId: kept?.vmId ?? vmId });
        }
        this.#faults.count(reply.ok ? `answered ${verb}` : `answered ${verb} ${reply.error.code}`);
        break;
      } catch (thrown) {
        if (!(thrown instanceof Fault)) throw thrown;
        await this.#universe.delay(this.#universe.between(10, 500));
      }
    }
    this.open -= 1;
  }

  #payload(verb: (typeof VERBS)[number], vmId: string, vms: number): object {
    const label = this.#universe.pick(["team", "team=a", "tier"]);
    const limit = this.#universe.pick([0, 11_178, 17_000, 30_000]);
    if (verb === "quotaSet")
      return { label, resources: this.#universe.chance(0.9) ? { ribosomes: limit } : {} };
    // A chassis offers 22 355 ribosomes: four requests for 5 589, or two for 11 178, exceed it by one.
    const ribosomes = this.#universe.pick(
      this.#isCrowded ? [5_589, 11_178, 22_355] : [100, 5_589, 11_178, 22_355, 30_000],
    );
    if (verb === "vmResize" || verb === "vmSetEnvironment") {
      const atMinute = this.#universe.chance(0.5)
        ? { atMinute: this.#universe.between(0, LAST_ACT_MINUTE) }
        : {};
      const what =
        verb === "vmResize" ? { resources: { ribosomes } } : { environment: { substrate: ribosomes / 10 } };
      return { vmId, ...what, ...atMinute };
    }
    if (verb === "vmExec") return { vmId, source: "return 1", readOnly: this.#universe.chance(0.3) };
    const snapshotId = this.#universe.pick(["one", "two"]);
    if (verb === "vmSnapshot") return this.#universe.chance(0.3) ? { vmId } : { vmId, snapshotId };
    if (verb === "vmRestore" || verb === "vmDeleteSnapshot") return { vmId, snapshotId };
    if (verb === "vmFork") {
      const newVmId = `vm-${this.#universe.between(1, vms)}`;
      return this.#universe.chance(0.5) ? { vmId, newVmId } : { vmId, newVmId, fromSnapshotId: snapshotId };
    }
    if (verb === "vmMigrate" && this.#universe.chance(0.5)) {
      return { vmId, chassisId: this.#universe.pick(["ecoli-1", "yeast-1"]) };
    }
    if (verb === "vmStop")
      return { vmId, ...this.#universe.pick([{}, { deadlineMs: 500 }, { force: true }]) };
    if (verb !== "vmCreate") return { vmId };
    const restart = this.#universe.chance(0.4)
      ? { mode: "on-failure", maxAttempts: 2, backoffMs: 200 }
      : undefined;
    const guarantee = this.#universe.chance(0.5) ? { ribosomes: "1%" } : undefined;
    const isScheduled = guarantee === undefined && this.#universe.chance(0.4);
    const schedule = isScheduled ? this.#schedule() : undefined;
    const then = this.#universe.pick(["pause", "stop"]);
    const until = this.#universe.chance(0.2)
      ? { simMinutes: this.#universe.between(1, LAST_ACT_MINUTE), then }
      : undefined;
    const placement = this.#isCrowded || this.#universe.chance(0.5) ? { chassisTypes: ["ecoli"] } : {};
    // Two genomes of E. coli (4 642 kb) leave 916 kb of the 10 200 kb offered. Genome space is freed by an eviction only,
    // not by starving or pausing.
    // Few ribosomes leave the genome as the only reason to give way.
    const isLarge = this.#isCrowded && this.#universe.chance(0.8);
    const isOnlyLarge = isLarge && this.#universe.chance(0.7);
    return {
      vmId,
      biologicalType: isLarge ? "ecoli" : "syn3a",
      resources: {
        ribosomes: isOnlyLarge ? 100 : ribosomes,
        ...(isLarge ? { rnaPolymerases: "1%", atpPerSecond: "1%" } : {}),
      },
      placement,
      priority: this.#universe.between(1, 5),
      labels: this.#universe.pick([{}, { team: "a" }, { team: "b" }, { team: "a", tier: "x" }]),
      ...(guarantee === undefined ? {} : { guarantee }),
      ...(restart === undefined ? {} : { restartPolicy: restart }),
      ...(schedule === undefined ? {} : { schedule }),
      ...(until === undefined ? {} : { until }),
    };
  }
  /** Returns a schedule of amounts, of the medium, or of both, at minutes that most cells reach. */
  #schedule(): readonly object[] {
    const at = () => this.#universe.between(0, LAST_ACT_MINUTE);
    const amounts = { atMinute: at(), resources: { ribosomes: this.#universe.pick(["1%", "30%", "60%"]) } };
    const medium = { atMinute: at(), environment: { substrate: this.#universe.between(1, 9) } };
    return this.#universe.pick([
      [amounts],
      [medium],
      [amounts, medium],
      [amounts, { ...amounts, atMinute: at() }],
    ]);
  }
}
