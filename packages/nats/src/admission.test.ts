import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Admission, type AdmissionRefusal, costOf, type LaneLimits, RETRY_STEPS_MS } from "./admission.ts";

const LIMITS: LaneLimits = { underWay: 4, reserved: 2, waiting: 12, waitMs: 1_000 };

/** A lane whose requests are texts such as `a1`, the first request of the caller `a`. */
class World {
  nowMs = 0;
  readonly started: string[] = [];
  readonly refused: [request: string, refusal: AdmissionRefusal][] = [];
  readonly underWay: string[] = [];
  readonly lane: Admission<string>;
  readonly #counts = new Map<string, number>();

  constructor(limits = LIMITS) {
    const effects = {
      start: (request: string) => {
        this.started.push(request);
        this.underWay.push(request);
      },
      refuse: (request: string, refusal: AdmissionRefusal) => this.refused.push([request, refusal]),
    };
    this.lane = new Admission(
      limits,
      { ...effects, refuse: (r, why) => void effects.refuse(r, why) },
      () => this.nowMs,
    );
  }

  /** Sends requests of one caller, and returns the reason of the last one's refusal, if it was refused at once. */
  send(caller: string, count = 1, cost = 1): string | undefined {
    let reason: string | undefined;
    for (let i = 0; i < count; i += 1) {
      const number = (this.#counts.get(caller) ?? 0) + 1;
      this.#counts.set(caller, number);
      reason = this.lane.refusalOf(caller, cost);
      if (reason === undefined) this.lane.enter(caller, `${caller}${number}`, cost);
    }
    return reason;
  }

  /** Ends the request, by default the one under way for the longest time. */
  end(request = this.underWay[0]): void {
    if (request === undefined) throw new Error("nothing is under way");
    this.underWay.splice(this.underWay.indexOf(request), 1);
    this.lane.ended(request.charAt(0));
  }

  countOf(caller: string): number {
    return this.underWay.filter((request) => request.startsWith(caller)).length;
  }
}

describe("a lone caller", () => {
  it("has every place, then the whole waiting room, and is then told that the lane is full", () => {
    const world = new World();
    expect(world.send("a", LIMITS.underWay + LIMITS.waiting)).toBeUndefined();
    expect(world.lane).toMatchObject({ underWay: LIMITS.underWay, waiting: LIMITS.waiting });
    expect(world.send("a")).toBe("full");
    expect(world.refused).toEqual([]);
  });

  it("is served in the order of its requests", () => {
    const world = new World();
    world.send("a", 10);
    while (world.underWay.length > 0) world.end();
    expect(world.started).toEqual(Array.from({ length: 10 }, (_, i) => `a${i + 1}`));
  });
});

describe("a caller beside a flood", () => {
  it("starts at once on a reserved place when it has nothing under way", () => {
    const world = new World();
    world.send("a", 100);
    world.send("b", 3);
    expect(world.countOf("b")).toBe(1);
    world.send("c");
    world.send("d");
    expect(world.lane.underWay).toBe(LIMITS.underWay + LIMITS.reserved);
    expect(world.countOf("d")).toBe(0);
    world.end("b1");
    // The place is reserved for callers without a request under way: `a` has four.
    expect(world.countOf("a")).toBe(LIMITS.underWay);
    expect(world.countOf("b") + world.countOf("d")).toBe(1);
  });

  it("always finds room, and the flood loses its newest requests", () => {
    const world = new World({ ...LIMITS, reserved: 0 });
    world.send("a", LIMITS.underWay + LIMITS.waiting);
    expect(world.send("b", LIMITS.waiting / 2)).toBeUndefined();
    expect(world.refused.map(([request]) => request)).toEqual(["a16", "a15", "a14", "a13", "a12", "a11"]);
    expect(new Set(world.refused.map(([, { reason }]) => reason))).toEqual(new Set(["share"]));
    expect(world.lane.waiting).toBe(LIMITS.waiting);
    expect(world.send("b")).toBe("share");
    expect(world.send("a")).toBe("share");
  });

  it("has every other turn", () => {
    const world = new World({ ...LIMITS, reserved: 0 });
    world.send("a", 12);
    world.send("b", 4);
    for (let i = 0; i < 8; i += 1) world.end();
    expect(world.started.slice(LIMITS.underWay)).toEqual(["a5", "b1", "a6", "b2", "a7", "b3", "a8", "b4"]);
  });

  it("is not shut out by a few large requests, which count by their size", () => {
    const world = new World({ ...LIMITS, reserved: 0 });
    world.send("a", LIMITS.underWay);
    world.send("a", 3, 4);
    expect(world.lane.waiting).toBe(3);
    expect(world.send("a")).toBe("full");
    expect(world.send("b")).toBeUndefined();
    expect(world.refused.map(([request]) => request)).toEqual(["a7"]);
    expect([costOf(0), costOf(4_096), costOf(4_097), costOf(524_288)]).toEqual([1, 1, 2, 128]);
  });
});

describe("a lane with more callers than places to wait", () => {
  it("refuses a newcomer as full, because each caller has its share", () => {
    const world = new World({ ...LIMITS, underWay: 1, reserved: 0 });
    const callers = "abcdefghijklm";
    for (const caller of callers) expect(world.send(caller)).toBeUndefined();
    expect(world.send("n")).toBe("full");
    expect(world.send("b")).toBe("share");
    expect(world.refused).toEqual([]);
  });
});

describe("a request that waits", () => {
  it("is refused after the longest wait, the younger ones are not", () => {
    const world = new World();
    world.send("a", 6);
    world.nowMs = 600;
    world.send("a", 1);
    world.nowMs = 1_000;
    world.lane.expire();
    expect(world.refused.map(([request, { reason }]) => `${request} ${reason}`)).toEqual([
      "a5 late",
      "a6 late",
    ]);
    expect(world.lane.waiting).toBe(1);
    while (world.underWay.length > 0) world.end();
    expect(world.started.at(-1)).toBe("a7");
  });

  it("is refused when the lane stops; what is under way goes on", () => {
    const world = new World();
    world.send("a", 5);
    world.lane.stop();
    expect(world.refused).toMatchObject([["a5", { reason: "stopping" }]]);
    expect(world.send("a")).toBe("stopping");
    while (world.underWay.length > 0) world.end();
    expect(world.lane).toMatchObject({ underWay: 0, waiting: 0 });
  });
});

describe("the hint when to try again", () => {
  it("is about the time that the waiting requests take, in few steps", () => {
    const world = new World();
    expect(world.lane.retryAfterMs()).toBe(RETRY_STEPS_MS[0]);
    world.send("a", 16);
    expect(world.lane.retryAfterMs()).toBe(RETRY_STEPS_MS.at(-1));
    // Two requests end each 100 ms: the twelve that wait need 600 ms.
    for (let i = 0; i < 5; i += 1) {
      world.nowMs += 100;
      for (let j = 0; j < 2; j += 1) {
        world.end();
        world.send("a");
      }
    }
    expect(world.lane.retryAfterMs()).toBe(800);
  });
});

describe("any course of requests", () => {
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ caller: fc.constantFrom(..."abcdefg"), cost: fc.integer({ min: 1, max: 5 }) }),
    },
    { weight: 4, arbitrary: fc.record({ end: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ passMs: fc.integer({ min: 0, max: 700 }) }) },
  );

  it("keeps the bounds, and gives every request exactly one end", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const world = new World();
        let entered = 0;
        for (const one of steps) {
          if ("caller" in one) {
            const ahead = world.refused.length;
            if (world.send(one.caller, 1, one.cost) === undefined) entered += 1;
            // A request that was let in is not the one that is pushed out.
            const pushedOut = world.refused.slice(ahead).map(([request]) => request.charAt(0));
            expect(pushedOut).not.toContain(one.caller);
          } else if ("passMs" in one) {
            world.nowMs += one.passMs;
            world.lane.expire();
          } else if (world.underWay.length > 0) {
            world.end(world.underWay[one.end % world.underWay.length]);
          }
          expect(world.lane.underWay).toBeLessThanOrEqual(LIMITS.underWay + LIMITS.reserved);
          expect(world.lane.underWay).toBe(world.underWay.length);
          expect(world.lane.waiting).toBeLessThanOrEqual(LIMITS.waiting);
          // No place is empty while a request waits.
          if (world.lane.waiting > 0) expect(world.lane.underWay).toBeGreaterThanOrEqual(LIMITS.underWay);
        }
        while (world.underWay.length > 0) world.end();
        expect(world.lane).toMatchObject({ underWay: 0, waiting: 0 });
        expect(world.started.length + world.refused.length).toBe(entered);
        expect(new Set([...world.started, ...world.refused.map(([request]) => request)]).size).toBe(entered);
      }),
    );
  });

  it("starts nothing while it is held, and then what has waited, in turn", () => {
    const world = new World();
    world.send("a", 2);
    world.lane.hold();
    world.send("b", 3);
    world.send("c");
    world.end();
    world.end();
    expect(world.started).toEqual(["a1", "a2"]);
    expect(world.lane).toMatchObject({ underWay: 0, waiting: 4 });
    world.lane.release();
    expect(world.started.slice(2)).toEqual(["b1", "c1", "b2", "b3"]);
    world.lane.hold();
    world.nowMs += LIMITS.waitMs;
    world.send("d");
    world.nowMs += LIMITS.waitMs;
    world.lane.expire();
    expect(world.refused).toEqual([["d1", expect.objectContaining({ reason: "late" })]]);
  });

  it("starves no caller: a waiting request starts within one turn of every caller", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(..."abcdefg"), { maxLength: 100 }), (callers) => {
        const world = new World({ ...LIMITS, reserved: 0 });
        world.send("x", LIMITS.underWay);
        for (const caller of callers) world.send(caller);
        if (world.send("z") !== undefined) return;
        for (let turns = 0; turns < "abcdefgz".length && world.underWay.length > 0; turns += 1) world.end();
        expect(world.started).toContain("z1");
      }),
    );
  });
});
