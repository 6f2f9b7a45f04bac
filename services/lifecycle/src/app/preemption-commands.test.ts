/**
 * Preemptions through an instance that has not yet read the newest events of the preemptor.
 */
import { chassisFold, ledgerFold, type VmEvent, type VmState, vmFold } from "@bioxen/contracts";
import { Aggregates, accept, type Causation, ReadModel } from "@bioxen/kernel";
import {
  createdVm,
  envelopeOf,
  FakeClock,
  idsInOrder,
  MemoryEventLog,
  registeredChassis,
  storedOf,
  vmEvent,
} from "@bioxen/testkit";
import { expect, it } from "vitest";
import { PreemptionCommands } from "./preemption-commands.ts";

const REQUEST = { dnaKilobases: 5, ribosomes: 100 };
const created = (priority: number) => createdVm({ request: REQUEST, priority });
const START = vmEvent("start-requested", { automatic: false });
const RUNS = [
  START,
  vmEvent("placed", { chassisId: "c", fence: 9, allocation: REQUEST }),
  vmEvent("started", { fence: 9 }),
];
const because = (causeId: string): Causation => ({ causeId, correlationId: causeId, deduplicate: false });

/** Two instances on one log. Each reads the events of the other only when it refreshes a VM. */
function instances() {
  const log = new MemoryEventLog();
  const clock = new FakeClock();
  const instance = (name: string) => {
    const ids = idsInOrder(name);
    const vms = new Aggregates<VmState>({
      kind: "vm",
      fold: vmFold,
      log,
      clock,
      ids,
      source: "/bioxen/test",
    });
    const happen = async (vmId: string, ...events: readonly VmEvent[]) => {
      for (const one of events) await vms.execute(vmId, because(`${vmId} ${one.type}`), () => accept(one));
    };
    const ledgers = new ReadModel("ledger", ledgerFold);
    const chassis = new ReadModel("chassis", chassisFold);
    const { data } = registeredChassis() as { data: object };
    const registered = { type: "bioxen.chassis.registered.v1", data: { ...data, capacity: REQUEST } };
    chassis.apply(storedOf(1, envelopeOf("chassis", "c", registered)));
    const caller = { call: () => Promise.reject(new Error("unexpected call of another service")) };
    const known = async () => undefined;
    const ports = {
      vms,
      ledgers,
      chassis,
      caller,
      clock,
      log,
      knownSeq: () => Number.MAX_SAFE_INTEGER,
      applied: known,
      caughtUp: known,
    };
    return { vms, happen, commands: new PreemptionCommands(ports) };
  };
  return { one: instance("one"), other: instance("other") };
}

const ORDER = {
  vmId: "low",
  fence: 9,
  mode: "evict",
  by: "high",
  byPriority: 4,
  reason: "ribosomes",
} as const;

it("preempts for a VM that began to wait through another instance a moment ago", async () => {
  const { one, other } = instances();
  await one.happen("low", created(2), ...RUNS);
  await one.happen("high", created(4));
  await other.vms.refresh("high");
  await one.happen("high", START);
  expect(await other.commands.preempt(ORDER, because("plan"))).toMatchObject({
    ok: true,
    result: { changed: true },
  });
  expect(other.vms.get("low").state).toMatchObject({ state: "pending", reason: "ribosomes" });
});

it("preempts no VM for a preemptor that no longer waits, even if it did by the last event read here", async () => {
  const { one, other } = instances();
  await one.happen("low", created(2), ...RUNS);
  await one.happen("high", created(4), START);
  await other.vms.refresh("high");
  await one.happen("high", vmEvent("stop-requested", { destroy: false }));
  expect(await other.commands.preempt(ORDER, because("plan"))).toMatchObject({
    ok: true,
    result: { changed: false },
  });
});

it("preempts for no VM that could never run on the victim's chassis", async () => {
  const { one } = instances();
  const huge = createdVm({ request: { ...REQUEST, ribosomes: 101 }, priority: 4 });
  await one.happen("low", created(1), ...RUNS);
  await one.happen("high", huge, START);
  const refused = await one.commands.preempt(ORDER, because("preempt"));
  expect(refused).toMatchObject({ ok: false, rejection: { code: "INFEASIBLE" } });
  expect(one.vms.get("low").state).toMatchObject({ state: "running", fence: 9 });
});
