/**
 * A ledger reserves only for VMs that ask for a place, in their present incarnation and with the amounts that they
 * request.
 */
import { type LedgerEvent, type Vm, type VmEvent, type VmState, vmFold } from "@bioxen/contracts";
import { createdVm, given, vmEvent } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { demandMisfit, resizeObstacle } from "./demand.ts";
import { type LedgerCommand, ledgerDecider } from "./ledger.ts";

const place = (fence: number) => ({ chassisId: "elsewhere", fence, allocation: { ribosomes: 10 } });
const CREATED: VmEvent = createdVm();
const START = vmEvent("start-requested", { automatic: false });
const RUNNING = [CREATED, START, vmEvent("placed", place(3)), vmEvent("started", { fence: 3 })];
const MOVING = [
  ...RUNNING,
  vmEvent("migration-requested", { toChassisId: null, code: "COMMAND", reason: "x" }),
];
const DESTROYED = [CREATED, vmEvent("destroyed", { reason: "x" })];

function vmAfter(...events: readonly VmEvent[]): VmState {
  let state: VmState = vmFold.initial;
  events.forEach((event, i) => {
    const at = { eventId: `e${i}`, correlationId: "t", seq: i + 1, version: i + 1, atMs: 0 };
    state = vmFold.evolve(state, event, at);
  });
  return state;
}

const proposal = (incarnation = 1, ribosomes = 10) => ({
  vmId: "a",
  incarnation,
  amounts: { ribosomes },
});

describe("a VM", () => {
  it.each<[string, readonly VmEvent[]]>([
    ["is pending", [CREATED, START]],
    ["lost its place", [...RUNNING, vmEvent("displaced", { ...place(3), code: "CHASSIS_LOST" }, 2)]],
    ["moves and has no target yet", MOVING],
    ["was created again and started", [...DESTROYED, createdVm({ incarnation: 1 }), START]],
  ])("that %s asks for a reservation", (_state, events) => {
    expect(demandMisfit(vmAfter(...events), proposal())).toBeUndefined();
  });

  it.each<[string, readonly VmEvent[], string]>([
    ["does not exist", [], "VM_NOT_FOUND"],
    ["is created and was never started", [CREATED], "CONFLICT"],
    ["starts", RUNNING.slice(0, 3), "CONFLICT"],
    ["runs", RUNNING, "CONFLICT"],
    ["is paused", [...RUNNING, vmEvent("paused")], "CONFLICT"],
    ["moves and has a target", [...MOVING, vmEvent("migrating", place(7))], "CONFLICT"],
    ["is stopping", [...RUNNING, vmEvent("stop-requested", { destroy: false })], "CONFLICT"],
    ["is stopped", [CREATED, START, vmEvent("stopped", { reason: "x" })], "CONFLICT"],
    ["has failed", [...RUNNING, vmEvent("failed", { reason: "x", code: "GUEST_ERROR" })], "CONFLICT"],
    ["is destroyed", DESTROYED, "CONFLICT"],
  ])("that %s asks for none", (_state, events, code) => {
    expect(demandMisfit(vmAfter(...events), proposal())).toMatchObject({ code });
  });

  it.each([0, 2, Number.MAX_SAFE_INTEGER])("asks for none in incarnation %i", (incarnation) => {
    expect(demandMisfit(vmAfter(CREATED, START), proposal(incarnation))).toMatchObject({ code: "CONFLICT" });
  });

  it.each([0, 1, 9, 11])("that requests 10 ribosomes asks for no reservation of %i", (ribosomes) => {
    expect(demandMisfit(vmAfter(CREATED, START), proposal(1, ribosomes))).toMatchObject({ code: "CONFLICT" });
  });
});

describe("a resize of an entry", () => {
  const change = (fence = 3, amounts: Record<string, number> = { ribosomes: 5 }) => ({
    vmId: "a",
    fence,
    amounts,
  });

  it.each<[string, readonly VmEvent[]]>([
    ["runs", RUNNING],
    ["is paused", [...RUNNING, vmEvent("paused")]],
  ])("is possible while its VM %s under that reservation", (_state, events) => {
    expect(resizeObstacle(vmAfter(...events), change())).toBeUndefined();
    expect(resizeObstacle(vmAfter(...events), change(4))).toContain("does not run under the reservation 4");
    expect(resizeObstacle(vmAfter(...events), change(2 ** 53 - 1))).toContain("does not run");
  });

  it.each<[string, readonly VmEvent[]]>([
    ["does not exist", []],
    ["starts", RUNNING.slice(0, 3)],
    ["is stopping", [...RUNNING, vmEvent("stop-requested", { destroy: false })]],
    ["is destroyed", DESTROYED],
  ])("is not possible when its VM %s", (_state, events) => {
    expect(resizeObstacle(vmAfter(...events), change())).toBeDefined();
  });

  it("leaves out no resource of the VM", () => {
    expect(resizeObstacle(vmAfter(...RUNNING), change(3, {}))).toContain("leaves out ribosomes");
    expect(resizeObstacle(vmAfter(...RUNNING), change(3, { ribosomes: 0, vcpus: 1 }))).toBeUndefined();
  });
});

describe("a ledger", () => {
  const amounts = { capacity: { ribosomes: 90 }, offered: { ribosomes: 90 } };
  const opened: LedgerEvent = {
    type: "bioxen.ledger.opened.v1",
    data: { chassisType: "ecoli", ...amounts, maxVms: 5 },
  };
  const waiting = vmAfter(CREATED, START) as Vm;
  const states: Readonly<Record<string, VmState>> = { waits: waiting, runs: vmAfter(...RUNNING) };
  const reserve = (...vmIds: string[]): LedgerCommand => ({
    type: "reserve",
    chassisId: "c",
    planId: "p",
    reservations: vmIds.map((vmId) => ({ ...proposal(), vmId })),
    expiresAtMs: 1_000,
    facts: { vmOf: (vmId) => states[vmId] ?? vmFold.initial },
  });
  const reserved = (...vmIds: string[]): LedgerEvent => ({
    type: "bioxen.ledger.reserved.v1",
    data: {
      planId: "p",
      reservations: vmIds.map((vmId) => ({ ...proposal(), vmId })),
      expiresAtMs: 1_000,
    },
  });

  it("reserves for the VMs of a plan that ask for it, and for no other", () => {
    given(ledgerDecider, opened)
      .when(reserve("runs", "waits", "unknown"))
      .thenAppended(reserved("waits"));
  });

  it("resizes the entry of a VM that runs under it, and of no other", () => {
    const resize = (vm: VmState): LedgerCommand => ({
      type: "resize",
      chassisId: "c",
      vmId: "waits",
      fence: 20,
      amounts: { ribosomes: 5 },
      vm,
    });
    const held = given(ledgerDecider, opened, reserved("waits"));
    held.when(resize(waiting)).thenRejected("CONFLICT", { retryable: true });
    held.when(resize({ ...waiting, state: "running", fence: 20 })).thenAppended("bioxen.ledger.resized.v1");
  });

  it("records nothing of a plan for VMs that ask for nothing", () => {
    given(ledgerDecider, opened).when(reserve("runs", "unknown")).thenUnchanged();
  });
});
