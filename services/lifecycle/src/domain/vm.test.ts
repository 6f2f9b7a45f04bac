/**
 * The contract's table of states (§3), cell by cell, and what each command decides beyond the table.
 */
import { type Vm, type VmEvent, viewOfVm } from "@bioxen/contracts";
import { createdVm, given, vmEvent } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import {
  CREATED,
  DESTROYED,
  entryOf,
  FENCE,
  LOGS,
  PLACED,
  REQUEST,
  START,
  STARTED,
  STOP,
  STOPPED,
  VM_ID,
} from "./testing.ts";
import type { UserCommand } from "./vm.ts";
import { type VmCommand, vmDecider } from "./vm-decider.ts";

const { incarnation: _, ...NEW_VM } = CREATED.data;

/** The commands of the table, each with its verb. */
const COMMANDS: readonly UserCommand[] = [
  { type: "create", vmId: VM_ID, vm: NEW_VM },
  { type: "start", vmId: VM_ID, infeasible: undefined },
  { type: "pause", vmId: VM_ID },
  { type: "resume", vmId: VM_ID },
  { type: "stop", vmId: VM_ID, nowMs: 0 },
  { type: "destroy", vmId: VM_ID },
];

const vm = (...events: readonly VmEvent[]) => given(vmDecider, ...events);
const outcomesOf = (events: readonly VmEvent[]) =>
  COMMANDS.map((command) => vm(...events).when(command).outcome);

const no = "! INVALID_TRANSITION";
const taken = "! VM_ALREADY_EXISTS";
/** The outcomes in the order of the commands above. */
const TABLE: Readonly<Record<Vm["state"], readonly string[]>> = {
  created: [taken, "+ start-requested", no, no, no, "+ destroyed"],
  pending: [taken, "=", no, no, "+ stop-requested", "+ destroyed"],
  starting: [taken, "=", no, no, "+ stop-requested", "+ stop-requested"],
  running: [taken, "=", "+ paused", "=", "+ stop-requested", "+ stop-requested"],
  paused: [taken, no, "=", "+ resumed", "+ stop-requested", "+ stop-requested"],
  stopping: [taken, no, no, no, "=", "+ stop-requested"],
  stopped: [taken, "+ start-requested", no, no, "=", "+ destroyed"],
  error: [taken, "+ start-requested", no, no, no, "+ destroyed"],
  destroyed: ["+ created", no, no, no, no, "="],
};

describe("the table of states", () => {
  it.each(Object.entries(TABLE))("says what each command does to a VM that is %s", (state, expected) => {
    const events = LOGS[state as Vm["state"]];
    expect(vm(...events).state).toMatchObject({ state });
    expect(outcomesOf(events)).toEqual(expected);
  });

  it("lets a VM that does not exist only be created", () => {
    expect(outcomesOf([])).toEqual(["+ created", ...Array<string>(5).fill("! VM_NOT_FOUND")]);
  });

  it("leaves a VM unchanged when its last command is repeated", () => {
    for (const [state, events] of Object.entries(LOGS)) {
      for (const command of COMMANDS) {
        const { decision } = vm(...events).when(command);
        if (!decision.ok || decision.event === null || command.type === "create") continue;
        const again = vm(...events, decision.event).when(command).outcome;
        expect(again, `${command.type} twice from ${state}`).toBe("=");
      }
    }
  });

  it("names the state and the allowed commands in a rejection", () => {
    vm(...LOGS.stopping)
      .when({ type: "pause", vmId: VM_ID })
      .thenRejected("INVALID_TRANSITION", {
        message: "a is stopping and cannot pause; allowed: destroy, delete-snapshot",
        details: { state: "stopping", command: "pause", allowed: ["destroy", "delete-snapshot"] },
      });
  });
});

describe("a transfer", () => {
  const TRANSFER = { type: "transfer", vmId: VM_ID, owner: "bob" } as const;

  it.each(Object.entries(LOGS))(
    "gives a VM that is %s to another owner, and changes nothing else",
    (_state, events) => {
      const before = vm(...events).state;
      const transferred = vm(...events).when(TRANSFER);
      expect(transferred.outcome).toBe("+ transferred");
      const after = vm(...events, vmEvent("transferred", { owner: "bob" }));
      expect(before).toMatchObject({ owner: "admin" });
      const { owner: _, version: __, updatedAtMs: ___, ...rest } = before as Vm;
      expect(after.state).toMatchObject({ ...rest, owner: "bob" });
      expect(after.when(TRANSFER).outcome, "repeated").toBe("=");
    },
  );

  it("needs a VM", () => {
    expect(vm().when(TRANSFER).outcome).toBe("! VM_NOT_FOUND");
  });
});

describe("a start", () => {
  it("that no chassis could ever hold is rejected with every reason", () => {
    const infeasible = [{ chassisId: "c", code: "CAPACITY_EXCEEDED", message: "too small" }];
    vm(CREATED)
      .when({ type: "start", vmId: VM_ID, infeasible })
      .thenRejected("INFEASIBLE", { details: { request: REQUEST, reasons: infeasible } });
  });

  it("of a new incarnation takes no reservation of an earlier incarnation or wait", () => {
    const created = vmEvent("created", { ...CREATED.data, incarnation: 2 });
    // Sequences: destroyed 70, created 80, the first wait begins at 90 and the second at 120.
    const waiting = vm(...LOGS.stopped, DESTROYED, created, START, STOP, STOPPED, START);
    expect(waiting.state).toMatchObject({ incarnation: 2, lastFence: FENCE, state: "pending" });
    const placeOn = (fence: number, incarnation: number, nowMs = 49_999) =>
      waiting.when({
        type: "place",
        place: { chassisId: "c", entry: entryOf(fence, { incarnation }) },
        nowMs,
      }).outcome;
    expect(placeOn(FENCE, 2), "a reservation of the first incarnation").toBe("=");
    expect(placeOn(95, 2), "a reservation of the wait before").toBe("=");
    expect(placeOn(125, 1), "a reservation for the first incarnation").toBe("=");
    expect(placeOn(125, 2)).toBe("+ placed");
    expect(placeOn(125, 2, 50_000), "the reservation has expired").toBe("=");
  });
});

describe("a deferral", () => {
  it("is recorded when the reasons change in kind, not with every number", () => {
    const reasons = (free: number, chassisId = "c") => [
      {
        chassisId,
        code: "CAPACITY_EXCEEDED",
        message: `${free} free`,
        resource: "ribosomes",
        requested: 9,
        free,
      },
    ];
    const waiting = vm(CREATED, START, vmEvent("deferred", { reasons: reasons(3) }));
    expect(waiting.state).toMatchObject({ state: "pending", reason: "c: CAPACITY_EXCEEDED: 3 free" });
    waiting.when({ type: "defer", reasons: reasons(2) }).thenUnchanged();
    waiting.when({ type: "defer", reasons: reasons(2, "d") }).thenAppended("bioxen.vm.deferred.v1");
  });

  it("changes nothing for a VM that does not wait, or does not exist", () => {
    vm(CREATED).when({ type: "defer", reasons: [] }).thenUnchanged();
    vm().when({ type: "defer", reasons: [] }).thenUnchanged();
  });
});

describe("a resize", () => {
  const smaller = { ribosomes: 7 };
  const granted = { fence: FENCE, amounts: smaller, amountsSeq: 50 };
  const running = vm(...LOGS.running);

  it("of a placed VM records what the ledger granted", () => {
    running
      .when({ type: "resize", vmId: VM_ID, request: smaller, granted })
      .thenAppended(vmEvent("resized", { request: smaller, allocation: smaller }));
  });

  it("of a placed VM is rejected when the ledger changed another place, or none", () => {
    const elsewhere = { ...granted, fence: FENCE - 1 };
    running
      .when({ type: "resize", vmId: VM_ID, request: smaller, granted: elsewhere })
      .thenRejected("CONFLICT", { retryable: true });
    running
      .when({ type: "resize", vmId: VM_ID, request: smaller, granted: null })
      .thenRejected("CONFLICT", { retryable: true });
  });

  it("of a VM without a place changes its request", () => {
    const created = vm(CREATED);
    created.when({ type: "resize", vmId: VM_ID, request: REQUEST, granted: null }).thenUnchanged();
    created
      .when({ type: "resize", vmId: VM_ID, request: smaller, granted: null })
      .thenAppended(vmEvent("resized", { request: smaller, allocation: null }));
    vm(...LOGS.pending)
      .when({ type: "resize", vmId: VM_ID, request: smaller, granted: null })
      .thenRejected("INVALID_TRANSITION");
  });
});

describe("a resize of the cell in a machine", () => {
  const machine = { memoryMiB: 2_048, vcpus: 2 };
  const half = { ribosomes: 252 };
  const created = createdVm({ vmType: "xcpng", request: machine, cell: half });
  const placed = vmEvent("placed", { chassisId: "here", fence: FENCE, allocation: machine });
  const granted = { fence: FENCE, amounts: machine, amountsSeq: FENCE };
  const resize = (cell: Record<string, number> | undefined, place: typeof granted | null) =>
    ({ type: "resize", vmId: VM_ID, request: machine, cell, granted: place }) as const;

  it("records the new amounts of the cell, which the ledger does not have", () => {
    const running = vm(created, START, placed, STARTED);
    const less = { ribosomes: 100 };
    running
      .when(resize(less, granted))
      .thenAppended(vmEvent("resized", { request: machine, allocation: machine, cell: less }));
    running.when(resize(half, granted)).thenUnchanged();
    running.when(resize(undefined, granted)).thenUnchanged();
    vm(created)
      .when(resize(less, null))
      .thenAppended(vmEvent("resized", { request: machine, allocation: null, cell: less }));
  });

  it("appears in the view of the VM beside the amounts of the machine, and stays when the machine is resized", () => {
    const larger = { memoryMiB: 4_096, vcpus: 4 };
    const resized = vmEvent("resized", { request: larger, allocation: larger });
    const { state } = vm(created, START, placed, STARTED, resized);
    const whole = { ...larger, ...half };
    expect(state.exists && viewOfVm(VM_ID, state)).toMatchObject({ request: whole, allocation: whole });
    expect(state).toMatchObject({ request: larger, allocation: larger, cell: half });
  });
});

describe("a stop", () => {
  const stop = (more: object) => ({ type: "stop", vmId: VM_ID, nowMs: 0, ...more }) as const;
  const running = () => vm(CREATED, START, PLACED, STARTED);

  it("records the limit that the user sets", () => {
    running().when(stop({})).thenAppended(STOP);
    running()
      .when(stop({ deadlineMs: 5_000 }))
      .thenAppended(vmEvent("stop-requested", { destroy: false, deadlineMs: 5_000 }));
    running()
      .when(stop({ force: true }))
      .thenAppended(vmEvent("stop-requested", { destroy: false, force: true }));
    running()
      .when(stop({ force: false }))
      .thenAppended(STOP);
  });

  it("ends the guest at its deadline, with force at once, and else by the guest's default", () => {
    const deadline = (more: object) => {
      const { state } = running().when(stop(more)).thenAppended("bioxen.vm.stop-requested.v1");
      return state.exists ? state.stopDeadline?.withinMs : undefined;
    };
    expect([{}, { deadlineMs: 7 }, { force: true }, { deadlineMs: 9, force: true }].map(deadline)).toEqual([
      undefined,
      7,
      0,
      9,
    ]);
  });

  it("under way is shortened by a nearer deadline or by force, and never extended", () => {
    const forced = "bioxen.vm.stop-requested.v1";
    const byDefault = vm(...LOGS.stopping);
    byDefault.when(stop({})).thenUnchanged();
    byDefault.when(stop({ deadlineMs: 1_000 })).thenAppended(forced);
    const limited = running().and(vmEvent("stop-requested", { destroy: true, deadlineMs: 60_000 }));
    const atMs = limited.state.exists ? (limited.state.stopDeadline?.atMs ?? 0) : 0;
    limited.when(stop({})).thenUnchanged();
    limited.when(stop({ deadlineMs: 1_000, nowMs: atMs - 1_000 })).thenUnchanged();
    const sooner = limited.when(stop({ deadlineMs: 999, nowMs: atMs - 1_000 })).thenAppended(forced);
    expect(sooner.state).toMatchObject({ destroyRequested: true, stopDeadline: { withinMs: 999 } });
    const end = limited.when(stop({ force: true, nowMs: 0 })).thenAppended(forced);
    end.when(stop({ force: true, nowMs: Number.MAX_SAFE_INTEGER })).thenUnchanged();
    expect(end.and(STOPPED).state).toMatchObject({ state: "stopped", stopDeadline: null });
  });
});

describe("a destroy", () => {
  it("of a running VM ends once its guest has stopped", () => {
    const stopping = vm(CREATED, START, PLACED, STARTED)
      .when({ type: "destroy", vmId: VM_ID })
      .thenAppended(vmEvent("stop-requested", { destroy: true }));
    stopping.when({ type: "settle", hasRemover: true }).thenUnchanged();
    const stopped = stopping.and(STOPPED);
    const end = stopped.when({ type: "settle", hasRemover: true }).thenAppended("bioxen.vm.destroyed.v1");
    expect(end.state).toMatchObject({ state: "destroyed" });
  });

  it("of a stopped VM of a pool ends once the agent has removed its machine, or no agent runs its pool any more", () => {
    const machine = { ...CREATED, data: { ...CREATED.data, vmType: "xcpng" } } as VmEvent;
    const stopped = vm(
      machine,
      START,
      PLACED,
      STARTED,
      vmEvent("stop-requested", { destroy: false }),
      STOPPED,
    );
    const stopping = stopped
      .when({ type: "destroy", vmId: VM_ID })
      .thenAppended(vmEvent("stop-requested", { destroy: true }));
    expect(stopping.state).toMatchObject({ state: "stopping", chassisId: null });
    stopping.when({ type: "destroy", vmId: VM_ID }).thenUnchanged();
    stopping.when({ type: "settle", hasRemover: true }).thenUnchanged();
    const report = { vmId: VM_ID, fence: FENCE, observed: "stopped", reason: "by command", code: "INTERNAL" };
    const reports = { type: "report", report, entry: undefined, targetEntry: undefined, nowMs: 0 } as const;
    stopping.when({ ...reports, report: { ...report, fence: FENCE - 1 } } as VmCommand).thenUnchanged();
    const removed = stopping.when(reports as VmCommand).thenAppended("bioxen.vm.stopped.v1");
    removed.when({ type: "settle", hasRemover: true }).thenAppended("bioxen.vm.destroyed.v1");
    stopping.when({ type: "settle", hasRemover: false }).thenAppended("bioxen.vm.stopped.v1");
  });

  it("of a VM of a pool that never had a place is immediate", () => {
    const machine = { ...CREATED, data: { ...CREATED.data, vmType: "xcpng" } } as VmEvent;
    vm(machine).when({ type: "destroy", vmId: VM_ID }).thenAppended("bioxen.vm.destroyed.v1");
  });
});
