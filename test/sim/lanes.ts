/**
 * The lanes of one simulated process: the real rules of admission (`packages/nats/src/admission.ts`, `lane-rules.ts`)
 * in virtual time. Only a run with a flood has lanes.
 *
 * The lanes of clients are small here, so that a few hundred requests fill them. Laws of a lane: every request gets
 * exactly one outcome; a request is refused only before its start; while one caller takes more than its share of the
 * waiting room, no caller below its share is refused; an internal request never waits.
 */
import type { HandlerResult, ServedEndpoint } from "@bioxen/contracts";
import type { Timers } from "@bioxen/kernel";
import { Admission, costOf, type LaneLimits, type RefusalReason } from "../../packages/nats/src/admission.ts";
import {
  EXPIRE_INTERVAL_MS,
  LANE_LIMITS,
  type LaneName,
  laneOf,
  laneRefusal,
  retryStepOf,
} from "../../packages/nats/src/lane-rules.ts";
import type { Faults } from "./faults.ts";
import type { Universe } from "./universe.ts";

/** Room of each lane for clients: a few of the requests of a flood. */
const SMALL_ROOM = { underWay: 4, reserved: 4, waiting: 48 };

/** The limits of each lane in a simulated process. */
function limitsOf(lane: LaneName): LaneLimits {
  return lane === "internal" ? LANE_LIMITS[lane] : { ...LANE_LIMITS[lane], ...SMALL_ROOM };
}

/** What the lanes of all processes have in common in one run. */
export interface LaneScene {
  readonly universe: Universe;
  readonly faults: Faults;
  /** The cause ids of all requests that a lane has started. */
  readonly started: Set<string>;
  readonly problem: (text: string) => void;
}

export interface LaneRequest {
  readonly endpoint: ServedEndpoint["endpoint"];
  readonly caller: string;
  readonly causeId: string;
  readonly bytes: number;
  readonly work: () => Promise<HandlerResult>;
}

export class SimLanes {
  readonly #scene: LaneScene;
  readonly #timers: Timers;
  readonly #lanes = new Map<LaneName, SimLane>();

  constructor(scene: LaneScene, timers: Timers) {
    this.#scene = scene;
    this.#timers = timers;
  }

  /** Resolves with the outcome of the request: that of its work, or the refusal of the lane. */
  outcomeOf(request: LaneRequest): Promise<HandlerResult> {
    const name = laneOf(request.endpoint);
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      lane = new SimLane(name, this.#scene, this.#timers);
      this.#lanes.set(name, lane);
    }
    return lane.outcomeOf(request);
  }

  /** Checks that no request still waits, and none of a caller whose name begins with `prefix` is under way. */
  checkRest(prefix: string): void {
    for (const lane of this.#lanes.values()) lane.checkRest(prefix);
  }
}

interface Pending extends LaneRequest {
  readonly cost: number;
  readonly sinceMs: number;
  phase: "arrived" | "waiting" | "started" | "refused";
  readonly answer: (outcome: HandlerResult) => void;
}

class SimLane {
  readonly #name: LaneName;
  readonly #scene: LaneScene;
  readonly #timers: Timers;
  readonly #limits: LaneLimits;
  readonly #admission: Admission<Pending>;
  /** This lane's own account of the requests that wait or are under way, to compare the admission with. */
  readonly #pending = new Set<Pending>();
  #expiresSoon = false;

  constructor(name: LaneName, scene: LaneScene, timers: Timers) {
    this.#name = name;
    this.#scene = scene;
    this.#timers = timers;
    this.#limits = limitsOf(name);
    this.#admission = new Admission<Pending>(
      this.#limits,
      {
        start: (request) => this.#start(request),
        refuse: (request, { reason, retryAfterMs }) => this.#refuse(request, reason, retryAfterMs),
      },
      () => scene.universe.nowMs,
    );
  }

  outcomeOf(request: LaneRequest): Promise<HandlerResult> {
    return new Promise((resolve) => {
      const cost = costOf(request.bytes);
      const sinceMs = this.#scene.universe.nowMs;
      const pending: Pending = { ...request, cost, sinceMs, phase: "arrived", answer: resolve };
      this.#pending.add(pending);
      const reason = this.#admission.refusalOf(request.caller, cost);
      if (reason !== undefined) {
        this.#refuse(pending, reason, this.#admission.retryAfterMs());
        return;
      }
      this.#admission.enter(request.caller, pending, cost);
      if (pending.phase !== "arrived") return;
      pending.phase = "waiting";
      this.#scene.faults.count("request-waited");
      this.#expireLater();
    });
  }

  checkRest(prefix: string): void {
    for (const { caller, phase, endpoint } of this.#pending) {
      if (phase === "waiting" || caller.startsWith(prefix))
        this.#scene.problem(`a request of ${caller} on ${endpoint.subject} is still ${phase} at rest`);
    }
  }

  #expireLater(): void {
    if (this.#expiresSoon) return;
    this.#expiresSoon = true;
    this.#timers.after(EXPIRE_INTERVAL_MS, () => {
      this.#expiresSoon = false;
      this.#admission.expire();
      if (this.#admission.waiting > 0) this.#expireLater();
    });
  }

  #start(request: Pending): void {
    const { universe, started, problem } = this.#scene;
    this.#settleOnce(request, "started");
    const waitedMs = universe.nowMs - request.sinceMs;
    if (request.endpoint.internal && waitedMs > 0)
      problem(`an internal request on ${request.endpoint.subject} waited ${waitedMs} ms in ${this.#name}`);
    started.add(request.causeId);
    void request.work().then((outcome) => {
      this.#pending.delete(request);
      request.answer(outcome);
      this.#admission.ended(request.caller);
    });
  }

  #refuse(request: Pending, reason: RefusalReason, waitMs: number): void {
    const { faults, problem } = this.#scene;
    const retryAfterMs = retryStepOf(waitMs);
    if (request.endpoint.internal)
      problem(`an internal request on ${request.endpoint.subject} is refused: ${reason}`);
    if (reason === "full" || reason === "share") this.#checkFair(request);
    this.#settleOnce(request, "refused");
    this.#pending.delete(request);
    const rejection = laneRefusal(this.#name, reason, retryAfterMs);
    faults.count(`request-refused ${reason}`);
    request.answer({ ok: false, rejection });
  }

  #settleOnce(request: Pending, phase: "started" | "refused"): void {
    if (request.phase === "started" || request.phase === "refused")
      this.#scene.problem(`a request of ${request.caller} is ${phase} after it was ${request.phase}`);
    request.phase = phase;
  }

  /** Checks that a full lane refuses this request rather than one of a caller that takes more than its share. */
  #checkFair({ caller }: Pending): void {
    const costs = new Map<string, number>();
    for (const one of this.#pending) {
      if (one.phase === "started") continue;
      costs.set(one.caller, (costs.get(one.caller) ?? 0) + one.cost);
    }
    const share = Math.max(1, Math.floor(this.#limits.waiting / costs.size));
    const own = costs.get(caller) ?? 0;
    const greedy = [...costs].find(([name, cost]) => name !== caller && cost > share);
    if (own > share || greedy === undefined) return;
    this.#scene.problem(
      `${caller} is refused with ${own} of its share of ${share} in ${this.#name}, while ${greedy[0]} has ${greedy[1]}`,
    );
  }
}
