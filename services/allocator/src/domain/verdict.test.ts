/**
 * The verdict on an entry, for each state in which its VM can be.
 */
import type { VmState } from "@bioxen/contracts";
import { expect, it } from "vitest";
import { verdictOf } from "./verdict.ts";

const entry = {
  vmId: "a",
  incarnation: 1,
  fence: 9,
  reservedBy: "e",
  amounts: {},
  amountsSeq: 9,
  phase: "reserved",
  expiresAtMs: 0,
} as const;
const vm = (state: string, more: object = {}) =>
  ({ exists: true, incarnation: 1, state, fence: null, lastFence: 0, migration: null, ...more }) as VmState;
const MOVE_REQUESTED = { migration: { target: null, requestedSeq: 4 }, request: {} };

it.each<[string, VmState, string]>([
  ["waits for the reservation", vm("pending", { pendingSinceSeq: 8 }), "keep"],
  ["had the reservation and was displaced", vm("pending", { lastFence: 9, pendingSinceSeq: 10 }), "release"],
  [
    "waits again, after a wait that ended without the reservation",
    vm("pending", { pendingSinceSeq: 10 }),
    "release",
  ],
  ["starts on the reservation", vm("starting", { fence: 9 }), "hold"],
  ["runs on the reservation", vm("running", { fence: 9 }), "commit"],
  ["is paused on the reservation", vm("paused", { fence: 9 }), "commit"],
  ["runs on another reservation", vm("running", { fence: 12 }), "release"],
  ["is stopping on the reservation", vm("stopping", { fence: 9 }), "hold"],
  ["has stopped", vm("stopped", { lastFence: 9 }), "release"],
  ["failed", vm("error"), "release"],
  ["is destroyed", vm("destroyed"), "release"],
  ["is another incarnation", vm("pending", { incarnation: 2, pendingSinceSeq: 8 }), "release"],
  ["was never created", { exists: false }, "release"],
  [
    "waits to be moved, with a reservation for the move",
    vm("running", { ...MOVE_REQUESTED, fence: 3, lastFence: 3 }),
    "keep",
  ],
  [
    "waits to be moved, and has requested other amounts since",
    vm("running", { ...MOVE_REQUESTED, fence: 3, lastFence: 3, request: { ribosomes: 9 } }),
    "release",
  ],
  [
    "had the reservation for a cancelled move, and waits to be moved again",
    vm("running", {
      ...MOVE_REQUESTED,
      migration: { target: null, requestedSeq: 12 },
      fence: 3,
      lastFence: 3,
    }),
    "release",
  ],
  [
    "is being moved to the reservation",
    vm("paused", { fence: 3, lastFence: 9, migration: { target: { fence: 9 } } }),
    "keep",
  ],
  [
    "is being moved to another reservation",
    vm("running", { fence: 3, lastFence: 12, migration: { target: { fence: 12 } } }),
    "release",
  ],
  [
    "runs on the reservation and waits to be moved elsewhere",
    vm("running", { ...MOVE_REQUESTED, fence: 9, lastFence: 9 }),
    "commit",
  ],
])("a VM that %s", (_what, state, verdict) => {
  expect(verdictOf(entry, state, 100)).toBe(verdict);
  expect(verdictOf(entry, state, 8), "events before the reservation decide nothing").toBe("keep");
});
