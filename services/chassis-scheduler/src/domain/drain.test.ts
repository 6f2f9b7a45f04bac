import {
  type Chassis,
  type ChassisState,
  type DrainEvent,
  type DrainState,
  NEVER_LOST,
  type Vm,
  type VmState,
} from "@bioxen/contracts";
import { deciderLaws, type Given, given } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import {
  type DrainCommand,
  drainDecider,
  movesDue,
  movesToCancel,
  type Occupants,
  whyStillHere,
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
const DEADLINE_MS = 1_000;
const TERMS = { parallelism: 2, deadlineAtMs: DEADLINE_MS };
/** A move that waits for a place. */
const WAITING = { target: null, refusals: [] as readonly object[] };
/** A move that no chassis takes. */
const REFUSED = { target: null, refusals: [{ chassisId: "d", code: "CAPACITY_EXCEEDED", message: "full" }] };
/** A move with a target. */
const PLACED = { target: { chassisId: "d" }, refusals: [] };

const running = (fields: Record<string, unknown> = {}): VmState =>
  ({
    exists: true,
    vmType: "basic",
    state: "running",
    chassisId: "c",
    priority: 1,
    reason: null,
    migration: null,
    ...fields,
  }) as unknown as Vm;
const moving = (migration: object): VmState => running({ migration: { code: "DRAIN", ...migration } });
const elsewhere = running({ chassisId: "d" });

type Vms = Readonly<Record<string, VmState>>;

/** The occupants of chassis `c` among `vms`. */
function occupantsOf(vms: Vms): Occupants {
  const here = Object.keys(vms).filter((vmId) => {
    const vm = vms[vmId];
    return vm?.exists === true && vm.chassisId === "c";
  });
  return { chassisId: "c", here: new Set(here), vm: (vmId) => vms[vmId] ?? { exists: false } };
}

const start = (vms: Vms, chassis: ChassisState = CHASSIS) =>
  ({ type: "start", chassis, occupants: occupantsOf(vms), ...TERMS }) as const;
const cancel = (vms: Vms) => ({ type: "cancel", chassis: CHASSIS, occupants: occupantsOf(vms) }) as const;
const advance = (vms: Vms, nowMs = 0) => ({ type: "advance", occupants: occupantsOf(vms), nowMs }) as const;

const drainOf = (vms: Vms): Given<DrainState, DrainCommand, DrainEvent> =>
  given(drainDecider).when(start(vms)).thenAppended("bioxen.drain.started.v1");
const vmsOf = (drain: DrainState) => (drain.exists ? drain.vms : {});

describe("a drain", () => {
  it("lists the VMs on the chassis, and starts once", () => {
    const started = drainOf({ b: running(), a: running(), z: elsewhere });
    expect(started.state).toMatchObject({
      status: "draining",
      vms: { a: null, b: null },
      wasCordoned: false,
      ...TERMS,
    });
    started.when(start({})).thenUnchanged();
    started.when(start({}, { registered: false })).thenRejected("CHASSIS_NOT_FOUND");
  });

  it("records where a VM went, why it went nowhere, and which VM joined late", () => {
    const stopped = running({ chassisId: null, state: "stopped", reason: "by command" });
    const progressed = drainOf({ a: running(), b: running() })
      .when(advance({ a: elsewhere, b: stopped, late: running() }))
      .thenAppended("bioxen.drain.progressed.v1");
    expect(vmsOf(progressed.state)).toEqual({
      a: { toChassisId: "d", reason: null },
      b: { toChassisId: null, reason: "it is stopped: by command" },
      late: null,
    });
    progressed.when(advance({ a: elsewhere, late: running() })).thenUnchanged();
  });

  it("is completed when the chassis is empty", () => {
    drainOf({}).when(advance({})).thenAppended("bioxen.drain.completed.v1");
    drainOf({ a: running() })
      .when(advance({ a: running() }))
      .thenUnchanged()
      .when(advance({ a: elsewhere }))
      .thenAppended("bioxen.drain.progressed.v1")
      .when(advance({ a: elsewhere }))
      .thenAppended("bioxen.drain.completed.v1")
      .when(advance({ a: running() }, 9_999))
      .thenUnchanged();
  });

  it("is incomplete at its deadline, with the reason for each VM that remains", () => {
    const vms = { a: moving(REFUSED), b: running({ state: "stopping" }) };
    const incomplete = drainOf({ a: running(), b: running() })
      .when(advance(vms, DEADLINE_MS - 1))
      .thenUnchanged()
      .when(advance(vms, DEADLINE_MS))
      .thenAppended("bioxen.drain.given-up.v1");
    expect(incomplete.state).toMatchObject({
      status: "incomplete",
      remaining: {
        a: expect.stringContaining("no chassis takes it: d: CAPACITY_EXCEEDED: full"),
        b: "it is stopping",
      },
    });
  });

  it("that is cancelled records what has happened until then, once", () => {
    const vms = { a: elsewhere, b: running() };
    const cancelled = drainOf({ a: running(), b: running() })
      .when(cancel(vms))
      .thenAppended("bioxen.drain.cancelled.v1");
    expect(cancelled.state).toMatchObject({
      status: "cancelled",
      vms: { a: { toChassisId: "d" }, b: null },
    });
    cancelled.when(cancel(vms)).thenUnchanged();
  });
});

describe("moves", () => {
  const dueIn = (state: DrainState, vms: Vms, backingOff: readonly string[] = []) => {
    if (!state.exists) throw new Error("the drain was started");
    return movesDue(state, occupantsOf(vms), (vmId) => backingOff.includes(vmId));
  };

  it("are requested by priority, for VMs that run or are paused, up to the parallelism", () => {
    const vms = {
      a: running(),
      b: running({ priority: 5 }),
      p: running({ state: "paused", priority: 3 }),
      s: running({ state: "starting", priority: 5 }),
      e: running({ state: "stopping", priority: 5 }),
    };
    const { state } = drainOf(vms);
    expect(dueIn(state, vms)).toEqual(["b", "p"]);
    expect(dueIn(state, vms, ["b"]), "b backs off").toEqual(["p", "a"]);
    expect(dueIn(state, { ...vms, b: moving(PLACED) })).toEqual(["p"]);
    expect(dueIn(state, { ...vms, b: moving(WAITING), p: moving(WAITING) })).toEqual([]);
    expect(
      dueIn(state, { ...vms, b: moving(REFUSED), p: moving(REFUSED) }),
      "a VM that no chassis takes does not block others",
    ).toEqual(["a"]);
  });

  it("of an ended drain are cancelled, and no others", () => {
    const vms = {
      a: moving(WAITING),
      b: running({ migration: { code: "COMMAND", ...WAITING } }),
      c: running(),
    };
    const draining = drainOf(vms);
    expect(movesToCancel(draining.state, occupantsOf(vms))).toEqual([]);
    const { state } = draining.when(advance(vms, DEADLINE_MS)).thenAppended("bioxen.drain.given-up.v1");
    expect(movesToCancel(state, occupantsOf(vms))).toEqual(["a"]);
    expect(movesToCancel({ exists: false }, occupantsOf(vms)), "no drain in the log").toEqual(["a"]);
    const arriving = { ...occupantsOf(vms), vm: () => ({ ...(moving(WAITING) as Vm), chassisId: "d" }) };
    expect(movesToCancel(state, arriving), "a move towards this chassis").toEqual([]);
  });
});

it.each([
  [{ exists: false } as VmState, "about to be released"],
  [running(), "waits for its turn"],
  [running({ reason: "it was not moved: x" }), "it was not moved: x"],
  [running({ state: "starting" }), "it is starting"],
  [moving(WAITING), "waits for a place"],
  [moving(PLACED), "handed over to d"],
])("the reason why a VM is still on the chassis: %#", (vm, words) => {
  expect(whyStillHere(vm)).toContain(words);
});

const STARTED: DrainEvent = {
  type: "bioxen.drain.started.v1",
  data: { vmIds: ["a", "b"], wasCordoned: false, ...TERMS },
};

deciderLaws("a drain", drainDecider, {
  cases: [
    { events: [], command: start({ a: running(), b: running() }) },
    { events: [], command: start({}, { registered: false }) },
    { events: [STARTED], command: start({}) },
    { events: [STARTED], command: cancel({ a: elsewhere, b: running() }) },
    { events: [STARTED], command: advance({ a: elsewhere, b: running(), late: running() }) },
    { events: [STARTED], command: advance({ a: running(), b: running() }) },
    { events: [STARTED], command: advance({ a: running(), b: running() }, DEADLINE_MS) },
    { events: [STARTED], command: advance({}) },
  ],
  repeats: [
    {
      type: "advance",
      reason: "Each advance appends the next step: the VMs that have left first, then the end of the drain.",
    },
  ],
});
