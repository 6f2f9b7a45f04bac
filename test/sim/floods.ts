/**
 * A flood: clients that send hundreds of requests at once, each repeated by the rule of the client library until it is
 * settled. The lanes of the services fill up, and refuse what is too much.
 */
import { ENDPOINTS } from "@bioxen/contracts";
import { Fault } from "@bioxen/kernel";
import { callUntilSettled } from "../../packages/client/src/until-settled.ts";
import type { Cluster } from "./cluster.ts";
import type { LaneScene } from "./lanes.ts";
import type { SimProcess } from "./processes.ts";
import { Universe } from "./universe.ts";

/** A run has a flood with this probability. */
const CHANCE = 0.25;
const REQUESTS = { least: 150, most: 500 };
/** When the flood begins, and how long it sends, ms. */
const BEGINS_MS = { least: 2_000, most: 30_000 };
const SPAN_MS = { least: 0, most: 1_500 };
/** Numbers of flooding callers. The last number takes also the places that a lane reserves for quiet callers. */
const CALLERS = [1, 2, 3, 12];
/** Longest wait for one answer, ms, as in the client library by default. */
const TIMEOUT_MS = 10_000;
/** The prefix of the names of the flooding callers. */
const CALLER = "flood-";

/**
 * - `pauses`: pauses of one VM of the other clients.
 * - `creates`: creations of further VMs, which are not started.
 * - `reads`: queries for one VM.
 */
const KINDS = ["pauses", "creates", "reads"] as const;

export interface FloodPlan {
  readonly kind: (typeof KINDS)[number];
  readonly requests: number;
  readonly callers: number;
  readonly atMs: number;
  readonly spanMs: number;
  readonly vmId: string;
}

/** What must have happened in 200 runs. */
export const FLOOD_PROBES: readonly string[] = [
  ...KINDS.map((kind) => `flood of ${kind}`),
  "request-waited",
  "request-refused full",
  "request-refused share",
  "flood request answered",
];

/** Returns the flood of a run; undefined for most runs. */
export function floodPlan(chance: Universe): FloodPlan | undefined {
  if (!chance.chance(CHANCE)) return undefined;
  const between = ({ least, most }: { readonly least: number; readonly most: number }) =>
    chance.between(least, most);
  return {
    kind: chance.pick(KINDS),
    requests: between(REQUESTS),
    callers: chance.pick(CALLERS),
    atMs: between(BEGINS_MS),
    spanMs: between(SPAN_MS),
    vmId: `vm-${chance.between(1, 8)}`,
  };
}

export function floodInWords({ kind, requests, callers, atMs, spanMs, vmId }: FloodPlan): string {
  const of = kind === "creates" ? "" : ` of ${vmId}`;
  return `flood: ${requests} ${kind}${of} by ${callers} callers from ${atMs} ms on within ${spanMs} ms`;
}

export class Flood {
  readonly #cluster: Cluster;
  readonly #plan: FloodPlan;
  readonly #chance: Universe;
  /** Requests that are sent and not settled. */
  #open = 0;
  #settled = 0;

  constructor(cluster: Cluster, plan: FloodPlan) {
    this.#cluster = cluster;
    this.#plan = plan;
    this.#chance = new Universe(cluster.universe.seed ^ 0x1b873593);
  }

  begin(): void {
    const { requests, callers, atMs, spanMs, kind } = this.#plan;
    const { universe, faults } = this.#cluster;
    faults.count(`flood of ${kind}`);
    for (let i = 0; i < requests; i += 1) {
      const caller = `${CALLER}${1 + (i % callers)}`;
      universe.after(atMs + this.#chance.between(0, spanMs), () => void this.#send(i, caller));
    }
  }

  async #send(number: number, caller: string): Promise<void> {
    const { bus, universe, faults } = this.#cluster;
    this.#open += 1;
    const { subject, payload } = this.#request(number);
    const attempt = (timeoutMs: number) =>
      bus.call(subject, payload, { timeoutMs, messageId: `${CALLER}${number}` }, caller);
    const world = {
      nowMs: () => universe.nowMs,
      sleep: (ms: number) => universe.delay(Math.ceil(ms)),
      random: () => this.#chance.random(),
    };
    try {
      const reply = await callUntilSettled(attempt, { timeoutMs: TIMEOUT_MS, repeat: true }, world);
      faults.count(reply.ok ? "flood request answered" : `flood request refused ${reply.error.code}`);
    } catch (thrown) {
      if (!(thrown instanceof Fault)) return this.#cluster.onBug(thrown);
      faults.count("flood request unanswered");
    }
    this.#open -= 1;
    this.#settled += 1;
  }

  #request(number: number): { readonly subject: string; readonly payload: object } {
    const { kind, vmId } = this.#plan;
    if (kind === "reads") return { subject: ENDPOINTS.vmGet.subject, payload: { vmId } };
    if (kind === "pauses") return { subject: ENDPOINTS.vmPause.subject, payload: { vmId } };
    const resources = { ribosomes: 100 };
    return {
      subject: ENDPOINTS.vmCreate.subject,
      payload: { vmId: `${CALLER}${number}`, biologicalType: "syn3a", resources },
    };
  }

  /** Checks that every request is settled, at its sender and in the lanes, and that no refused one has an effect. */
  checkRest(processes: readonly SimProcess[], { started, problem }: LaneScene): void {
    if (this.#open > 0 || this.#settled !== this.#plan.requests)
      problem(`${this.#open} of ${this.#plan.requests} requests of the flood are not settled`);
    for (const process of processes) process.checkLanes(CALLER);
    for (const { envelope, seq } of this.#cluster.log.events) {
      const { causationid } = envelope;
      if (causationid.startsWith("bioxen.cmd.") && !started.has(causationid))
        problem(`${envelope.type} at ${seq} has the cause ${causationid}, which no lane has started`);
    }
  }
}
