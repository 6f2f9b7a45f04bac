/**
 * The events of a drain fit in a message of 64 KB, however many VMs the chassis has and whatever their reasons.
 */
import {
  type Chassis,
  contentLimitOf,
  type DrainEvent,
  type DrainState,
  drainFold,
  encodeEvent,
  NEVER_LOST,
  type VmState,
} from "@bioxen/contracts";
import { positionOf } from "@bioxen/kernel";
import { envelopeOf, storedOf } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { type DrainCommand, drainDecider, type Occupants } from "./drain.ts";

const LIMIT = contentLimitOf(65_536);
const VMS = 1_200;
const vmIdOf = (i: number) => `${String(i).padStart(6, "0")}${"v".repeat(57)}`;
const CHASSIS: Chassis = {
  registered: true,
  chassisType: "ecoli",
  capacity: {},
  overheadPermille: 0,
  maxVms: 5_000,
  labels: {},
  agentId: "agent",
  cordoned: false,
  ...NEVER_LOST,
  registeredAtMs: 0,
  version: 1,
};

const stopped = {
  exists: true,
  state: "stopped",
  chassisId: null,
  reason: "x".repeat(4_096),
  migration: null,
} as VmState;

function occupants(vms: number, vm: VmState): Occupants {
  const here = new Set(Array.from({ length: vms }, (_, i) => vmIdOf(i)));
  return { chassisId: "c".repeat(63), here, vm: () => vm };
}

/** Decides until nothing is due; every event must fit. */
function decideAll(from: DrainState, command: DrainCommand): { state: DrainState; events: DrainEvent[] } {
  const events: DrainEvent[] = [];
  let state = from;
  for (;;) {
    const decision = drainDecider.decide(state, command);
    if (!decision.ok) throw new Error(decision.rejection.message);
    if (decision.event === null) return { state, events };
    const envelope = envelopeOf("drain", "c".repeat(63), decision.event, { version: events.length + 1 });
    expect(encodeEvent(envelope).byteLength, decision.event.type).toBeLessThanOrEqual(LIMIT);
    events.push(decision.event);
    state = drainFold.evolve(state, decision.event, positionOf(storedOf(events.length, envelope)));
  }
}

it("a drain names all VMs, in several events, and records all that leave with a reason that fits", () => {
  const terms = { parallelism: 1, deadlineAtMs: 1_000 };
  const all = occupants(VMS, stopped);
  const started = decideAll({ exists: false }, { type: "start", chassis: CHASSIS, occupants: all, ...terms });
  const joined = decideAll(started.state, { type: "advance", occupants: all, nowMs: 0 });
  expect(joined.state.exists && Object.keys(joined.state.vms)).toHaveLength(VMS);
  const gone = decideAll(joined.state, { type: "advance", occupants: occupants(0, stopped), nowMs: 0 });
  expect(gone.events.at(-1)?.type).toBe("bioxen.drain.completed.v1");
  const vms = gone.state.exists ? Object.values(gone.state.vms) : [];
  expect(vms).toHaveLength(VMS);
  for (const left of vms) expect(left?.reason).toMatch(/^it is stopped: x{180,}$/);
});

it("a drain that is given up names VMs with a reason that fits", () => {
  const terms = { parallelism: 1, deadlineAtMs: 1_000 };
  const all = occupants(VMS, stopped);
  const started = decideAll({ exists: false }, { type: "start", chassis: CHASSIS, occupants: all, ...terms });
  const { events } = decideAll(started.state, { type: "advance", occupants: all, nowMs: 2_000 });
  expect(events.at(-1)?.type).toBe("bioxen.drain.given-up.v1");
});
