/**
 * A drain: what begins and ends it, whose move is due, and what is left to tidy up.
 */
import {
  type Chassis,
  type DrainEvent,
  type DrainState,
  drainFold,
  NEVER_LOST,
  type Vm,
  type VmState,
} from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import {
  type DrainDecision,
  type DrainPicture,
  decideCancelDrain,
  decideClose,
  decideDrain,
  decideDrainStep,
  isToUncordon,
  movesDue,
  movesToTakeBack,
  whyHere,
} from "./drain.ts";

const CHASSIS: Chassis = {
  registered: true,
  chassisType: "ecoli",
  capacity: {},
  overheadPermille: 0,
  maxVms: 9,
  labels: {},
  agentId: "agent",
  cordoned: false,
  ...NEVER_LOST,
  registeredAtMs: 0,
  version: 1,
};
const WISH = { parallelism: 2, deadlineAtMs: 1_000 };
const waits = { target: null, refusals: [] as readonly object[] };
const refused = { target: null, refusals: [{ chassisId: "d", code: "CAPACITY_EXCEEDED", message: "full" }] };

const running = (more: Record<string, unknown> = {}): VmState =>
  ({
    exists: true,
    vmType: "basic",
    state: "running",
    chassisId: "c",
    priority: 1,
    reason: null,
    migration: null,
    ...more,
  }) as unknown as Vm;
const moves = (migration: object): VmState => running({ migration: { code: "DRAIN", ...migration } });
const elsewhere = running({ chassisId: "d" });

/** `vms` not on chassis `c` are known and not there. */
function pictureOf(vms: Readonly<Record<string, VmState>>): DrainPicture {
  const here = Object.keys(vms).filter((vmId) => {
    const vm = vms[vmId];
    return vm?.exists === true && vm.chassisId === "c";
  });
  return { chassisId: "c", here: new Set(here), vm: (vmId) => vms[vmId] ?? { exists: false } };
}

class Story {
  drain: DrainState = drainFold.initial;
  seq = 0;

  /** Returns the type of what was decided; `refused CODE`, or undefined for nothing. */
  apply(decision: DrainDecision): string | undefined {
    if (!decision.ok) return `refused ${decision.rejection.code}`;
    if (decision.event === null) return undefined;
    this.seq += 1;
    const at = {
      eventId: `e${this.seq}`,
      correlationId: "c",
      seq: this.seq,
      version: this.seq,
      atMs: this.seq,
    };
    this.drain = drainFold.evolve(this.drain, decision.event as DrainEvent, at);
    return decision.event.type.replace(/^bioxen\.drain\.|\.v1$/g, "");
  }

  step(picture: DrainPicture, nowMs = 0) {
    return this.apply(decideDrainStep(this.drain, picture, nowMs));
  }

  static of(vms: Readonly<Record<string, VmState>>, chassis: Chassis = CHASSIS): Story {
    const story = new Story();
    story.apply(decideDrain("c", story.drain, chassis, pictureOf(vms), WISH));
    return story;
  }

  get vms() {
    return this.drain.exists ? this.drain.vms : {};
  }

  due(picture: DrainPicture, resting: readonly string[] = []) {
    if (!this.drain.exists) throw new Error("it was not started");
    return movesDue(this.drain, picture, (vmId) => resting.includes(vmId));
  }
}

describe("a drain", () => {
  it("names who is there, and is begun once", () => {
    const story = Story.of({ b: running(), a: running(), z: elsewhere });
    expect(story.drain).toMatchObject({
      status: "draining",
      vms: { a: null, b: null },
      wasCordoned: false,
      ...WISH,
    });
    expect(story.apply(decideDrain("c", story.drain, CHASSIS, pictureOf({}), WISH))).toBeUndefined();
    const none = decideDrain("c", story.drain, { registered: false }, pictureOf({}), WISH);
    expect(story.apply(none)).toBe("refused CHASSIS_NOT_FOUND");
  });

  it("writes down who went where, who went nowhere and why, and who came after all", () => {
    const story = Story.of({ a: running(), b: running() });
    const stopped = running({ chassisId: null, state: "stopped", reason: "by command" });
    expect(story.step(pictureOf({ a: elsewhere, b: stopped, late: running() }))).toBe("progressed");
    expect(story.vms).toEqual({
      a: { toChassisId: "d", reason: null },
      b: { toChassisId: null, reason: "it is stopped: by command" },
      late: null,
    });
    expect(story.step(pictureOf({ a: elsewhere, late: running() })), "said once").toBeUndefined();
  });

  it("is completed when nobody is left, an empty chassis at once", () => {
    expect(Story.of({}).step(pictureOf({}))).toBe("completed");
    const story = Story.of({ a: running() });
    expect(story.step(pictureOf({ a: running() }))).toBeUndefined();
    expect(story.step(pictureOf({ a: elsewhere }))).toBe("progressed");
    expect(story.step(pictureOf({ a: elsewhere }))).toBe("completed");
    expect(story.step(pictureOf({ a: running() }), 9_999), "it has ended").toBeUndefined();
  });

  it("is given up at its deadline, and says who remains and why", () => {
    const story = Story.of({ a: running(), b: running() });
    const picture = pictureOf({ a: moves(refused), b: running({ state: "stopping" }) });
    expect(story.step(picture, 999)).toBeUndefined();
    expect(story.step(picture, 1_000)).toBe("given-up");
    expect(story.drain).toMatchObject({
      status: "incomplete",
      remaining: {
        a: expect.stringContaining("no chassis takes it: d: CAPACITY_EXCEEDED: full"),
        b: "it is stopping",
      },
    });
  });

  it("is cancelled with what has happened until then, once", () => {
    const story = Story.of({ a: running(), b: running() });
    const picture = pictureOf({ a: elsewhere, b: running() });
    const cancel = () => story.apply(decideCancelDrain("c", story.drain, CHASSIS, picture));
    expect(cancel()).toBe("cancelled");
    expect(story.drain).toMatchObject({ status: "cancelled", vms: { a: { toChassisId: "d" }, b: null } });
    expect(cancel()).toBeUndefined();
  });
});

describe("moves", () => {
  it("are asked for a few at a time, by priority, of who runs or is paused", () => {
    const vms = {
      a: running(),
      b: running({ priority: 5 }),
      p: running({ state: "paused", priority: 3 }),
      s: running({ state: "starting", priority: 5 }),
      e: running({ state: "stopping", priority: 5 }),
    };
    const story = Story.of(vms);
    expect(story.due(pictureOf(vms))).toEqual(["b", "p"]);
    expect(story.due(pictureOf(vms), ["b"])).toEqual(["p", "a"]);
    expect(story.due(pictureOf({ ...vms, b: moves({ target: { chassisId: "d" }, refusals: [] }) }))).toEqual([
      "p",
    ]);
    expect(story.due(pictureOf({ ...vms, b: moves(waits), p: moves(waits) }))).toEqual([]);
    expect(
      story.due(pictureOf({ ...vms, b: moves(refused), p: moves(refused) })),
      "who waits in vain keeps nobody",
    ).toEqual(["a"]);
  });

  it("are taken back once their drain has ended, and only its own", () => {
    const vms = { a: moves(waits), b: running({ migration: { code: "COMMAND", ...waits } }), c: running() };
    const story = Story.of(vms);
    expect(movesToTakeBack(story.drain, pictureOf(vms))).toEqual([]);
    story.step(pictureOf(vms), 1_000);
    expect(movesToTakeBack(story.drain, pictureOf(vms))).toEqual(["a"]);
    expect(movesToTakeBack({ exists: false }, pictureOf(vms)), "of no drain").toEqual(["a"]);
    const comes = { ...pictureOf(vms), vm: () => ({ ...(moves(waits) as Vm), chassisId: "d" }) };
    expect(movesToTakeBack(story.drain, comes), "who is to come comes").toEqual([]);
  });
});

describe("its cordon", () => {
  const cancelled = (chassis: Chassis) => {
    const story = Story.of({ a: running() }, chassis);
    story.apply(decideCancelDrain("c", story.drain, chassis, pictureOf({ a: running() })));
    return story;
  };

  it("is taken back by a cancel, also when it came late; somebody else's later one is not", () => {
    const { drain } = cancelled(CHASSIS);
    const cordoned = (cordonedSeq: number, cordonedChain: string) =>
      isToUncordon(drain, { ...CHASSIS, cordoned: true, cordonedSeq, cordonedChain });
    expect(cordoned(1, "another")).toBe(true);
    expect(cordoned(3, "c")).toBe(true);
    expect(cordoned(3, "another")).toBe(false);
    expect(isToUncordon(drain, CHASSIS), "it is open").toBe(false);
  });

  it("is put on once: who has opened the chassis since knew that the drain has ended", () => {
    const { drain } = Story.of({ a: running() });
    if (!drain.exists) throw new Error("it was started");
    const close = (chassis: Chassis) => {
      const decision = decideClose("c", drain, chassis);
      return decision.ok && decision.event?.type;
    };
    expect(close(CHASSIS)).toBe("bioxen.chassis.cordoned.v1");
    expect(close({ ...CHASSIS, uncordonedSeq: 2 }), "as it began").toBe("bioxen.chassis.cordoned.v1");
    expect(close({ ...CHASSIS, cordonedSeq: 2, uncordonedSeq: 3 })).toBeUndefined();
    expect(close({ ...CHASSIS, cordoned: true })).toBeUndefined();
  });

  it("stays where somebody else had cordoned it, and where the drain ended otherwise", () => {
    const cordoned = { ...CHASSIS, cordoned: true, cordonedSeq: 0 };
    expect(isToUncordon(cancelled(cordoned).drain, cordoned)).toBe(false);
    const story = Story.of({});
    story.step(pictureOf({}));
    expect(isToUncordon(story.drain, cordoned)).toBe(false);
  });
});

it.each([
  [{ exists: false } as VmState, "about to be given back"],
  [running(), "its turn has not come"],
  [running({ reason: "it was not moved: x" }), "it was not moved: x"],
  [running({ state: "starting" }), "it is starting"],
  [moves(waits), "a place is looked for"],
  [moves({ target: { chassisId: "d" }, refusals: [] }), "handed over to d"],
])("it is said why somebody is still there: %#", (vm, words) => {
  expect(whyHere(vm)).toContain(words);
});
