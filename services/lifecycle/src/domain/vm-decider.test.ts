/**
 * The laws of every decider, for the decider of a VM: every command on a VM in every state, with and without a
 * preemption, a move and a snapshot.
 */
import { type SeenChange, type Vm, type VmEvent, vmFold } from "@bioxen/contracts";
import { deciderLaws, stateAfter, vmEvent } from "@bioxen/testkit";
import type { GuestReport } from "./guest-report.ts";
import {
  AUTOMATIC_START,
  CREATED,
  entryOf,
  FENCE,
  LOGS,
  REQUEST,
  START,
  STOP,
  STOP_TO_DESTROY,
  VM_ID,
} from "./testing.ts";
import { type VmCommand, vmDecider } from "./vm-decider.ts";

const NOW_MS = 6_000;
const record = (simMinutes: number) => ({
  checkpointId: `c${simMinutes}`,
  simMinutes,
  bytes: 1,
  sha256: "0".repeat(64),
});
const { incarnation: _, ...NEW_VM } = CREATED.data;

const BENEFICIARY = { by: "urgent", byPriority: 4, reason: "ribosomes" };
const STARVED = vmEvent("preempted", {
  mode: "starve",
  fence: FENCE,
  ...BENEFICIARY,
  allocation: { ribosomes: 100 },
});
const HELD = vmEvent("preempted", {
  mode: "pause",
  fence: FENCE,
  ...BENEFICIARY,
  allocation: { ribosomes: 0 },
});
/** The event of the preemption is the fifth. */
const PREEMPTED_SEQ = 50;
const MOVE = vmEvent("migration-requested", { toChassisId: null, code: "COMMAND", reason: "x" });
const MIGRATING = vmEvent("migrating", { chassisId: "there", fence: 55, allocation: REQUEST });
const SNAPSHOTTED = vmEvent("snapshotted", { snapshotId: "s", fence: FENCE, ...record(4) });
const CHECKPOINTED = vmEvent("checkpointed", { fence: FENCE, ...record(5) });
const POOL = [vmEvent("created", { ...CREATED.data, vmType: "xcpng" }), ...LOGS.running.slice(1)];

const HISTORIES: readonly (readonly VmEvent[])[] = [
  [],
  ...Object.values(LOGS),
  [...LOGS.running, STARVED],
  [...LOGS.running, HELD],
  [...LOGS.running, MOVE],
  [...LOGS.running, MOVE, MIGRATING],
  [...LOGS.running, SNAPSHOTTED, CHECKPOINTED],
  [...LOGS.running, STOP_TO_DESTROY],
  [...LOGS.created, START, STOP, STOP_TO_DESTROY],
  [...LOGS.error, AUTOMATIC_START],
  POOL,
];

const entry = entryOf(FENCE);
const waiting = stateAfter(vmFold, [
  vmEvent("created", { ...CREATED.data, priority: 4 }) as VmEvent,
  START,
]) as Vm;
const report = (observed: GuestReport["observed"], more: Partial<GuestReport> = {}): VmCommand => ({
  type: "report",
  report: { fence: FENCE, observed, reason: "r", code: "MISSING", ...more },
  entry,
  targetEntry: entryOf(55),
  nowMs: NOW_MS,
});
const observed = (seen: SeenChange, drift: "repair" | "accept") =>
  report("outside-change", { outside: { seen, drift, seenAtMs: 5_000 } });
const order = { fence: FENCE, by: "urgent", byPriority: 4, reason: "ribosomes" };
const moveRequest = { toChassisId: null, code: "COMMAND", reason: "x" } as const;
const moveWorld = {
  place: undefined,
  targetEntry: undefined,
  isTargetLost: false,
  knownSeq: 100,
  nowMs: NOW_MS,
};

const COMMANDS: readonly VmCommand[] = [
  { type: "create", vmId: VM_ID, vm: NEW_VM },
  { type: "start", vmId: VM_ID, infeasible: undefined },
  { type: "start", vmId: VM_ID, infeasible: [] },
  { type: "pause", vmId: VM_ID },
  { type: "resume", vmId: VM_ID },
  { type: "stop", vmId: VM_ID, nowMs: 0 },
  { type: "destroy", vmId: VM_ID },
  { type: "transfer", vmId: VM_ID, owner: "bob" },
  { type: "resize", vmId: VM_ID, request: { ribosomes: 7 }, granted: null },
  {
    type: "resize",
    vmId: VM_ID,
    request: { ribosomes: 7 },
    granted: { fence: FENCE, amounts: { ribosomes: 7 }, amountsSeq: 90 },
  },
  {
    type: "set-environment",
    vmId: VM_ID,
    environment: { substrate: 1 },
    at: { fence: FENCE, restores: 0, simMinute: 7 },
  },
  { type: "executed", fence: FENCE, source: "return 1", shell: false, outcome: "OK", simMinute: 7 },
  { type: "defer", reasons: [{ chassisId: "c", code: "CAPACITY_EXCEEDED", message: "full" }] },
  {
    type: "snapshot",
    vmId: VM_ID,
    snapshotId: "t",
    taken: { fence: FENCE, restores: 0, checkpoint: record(6) },
  },
  { type: "snapshot", vmId: VM_ID, snapshotId: "t", taken: undefined },
  { type: "restore", vmId: VM_ID, snapshotId: "s" },
  { type: "delete-snapshot", vmId: VM_ID, snapshotId: "s" },
  { type: "migrate", vmId: VM_ID, request: moveRequest, obstacle: undefined },
  { type: "move", vmId: VM_ID, request: { ...moveRequest, code: "DRAIN" }, fromChassisId: "here" },
  { type: "cancel-migration", vmId: VM_ID },
  { type: "advance-move", ...moveWorld },
  { type: "advance-move", ...moveWorld, isTargetLost: true },
  { type: "advance-move", ...moveWorld, place: { chassisId: "there", entry: entryOf(65) } },
  { type: "advance-move", ...moveWorld, nowMs: 1e9 },
  ...(["starve", "pause", "evict"] as const).map(
    (mode): VmCommand => ({ type: "preempt", vmId: VM_ID, order: { ...order, mode }, preemptor: waiting }),
  ),
  ...[true, false].map(
    (isResume): VmCommand => ({
      type: "reinstate",
      vmId: VM_ID,
      preemptedSeq: PREEMPTED_SEQ,
      granted: entryOf(FENCE, { amountsSeq: 90 }),
      isResume,
    }),
  ),
  ...(["started", "restarted", "stopped", "failed", "handed-over", "not-handed-over"] as const).map((what) =>
    report(what),
  ),
  report("checkpointed", { checkpoint: record(6), restores: 0 }),
  report("checkpoint-lost", { checkpointId: "c5" }),
  ...(["paused", "resumed", "halted", "started", "deleted", "moved"] as const).flatMap((seen) => [
    observed(seen, "repair"),
    observed(seen, "accept"),
  ]),
  { type: "place", place: { chassisId: "here", entry: entryOf(45) }, nowMs: NOW_MS },
  { type: "follow-ledger", entry: null },
  { type: "follow-ledger", entry },
  { type: "follow-ledger", entry: entryOf(FENCE, { amounts: { ribosomes: 9 }, amountsSeq: 90 }) },
  { type: "give-up-place", entry, nowMs: 50_000 },
  { type: "lose-chassis" },
  { type: "settle", hasRemover: true },
  { type: "restart", nowMs: 1e9 },
];

deciderLaws("a VM", vmDecider, {
  cases: HISTORIES.flatMap((events) => COMMANDS.map((command) => ({ events, command }))),
  repeats: [
    {
      type: "restore",
      reason: "Each restore sets the VM back once more; the id of a command makes its retry one restore.",
    },
    {
      type: "report",
      reason: "Each such report tells of another restart of the guest.",
      when: (command) => command.type === "report" && command.report.observed === "restarted",
    },
    { type: "set-environment", reason: "The id of a command makes its retry one change." },
    { type: "executed", reason: "The id of a command makes its retry one record." },
    { type: "settle", reason: "A destroy ends in two events: the stop, and the end of the VM." },
    {
      type: "advance-move",
      reason: "After the VM has taken a place, the facts about its target are new ones.",
      when: (command) => command.type === "advance-move" && command.place !== undefined,
    },
  ],
});
