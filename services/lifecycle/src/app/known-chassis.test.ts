/**
 * A caller can use a chassis that it has just registered, through any instance.
 */
import {
  type ChassisState,
  chassisFold,
  type Ledger,
  ledgerFold,
  type VmEvent,
  type VmState,
  vmFold,
} from "@bioxen/contracts";
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
import { VmCommands } from "./commands.ts";
import { MoveCommands } from "./move-commands.ts";
import { PreemptionCommands } from "./preemption-commands.ts";

const because = (causeId: string): Causation => ({ causeId, correlationId: causeId, deduplicate: false });
const SMALL = { ribosomes: 10 };
const LARGE = { ribosomes: 11 };

/** An instance that knows the chassis `small`, and reads of `large` when it catches up with the log. */
async function instance(...events: readonly VmEvent[]) {
  const [log, clock] = [new MemoryEventLog(), new FakeClock()];
  const source = "/bioxen/test";
  const vms = new Aggregates<VmState>({ kind: "vm", fold: vmFold, log, clock, ids: idsInOrder(), source });
  const ledgers = new ReadModel<Ledger>("ledger", ledgerFold);
  const chassis = new ReadModel<ChassisState>("chassis", chassisFold);
  const known = (seq: number, chassisId: string, capacity: Record<string, number>) => {
    const type = "bioxen.ledger.opened.v1";
    const { data } = registeredChassis() as { data: object };
    const registered = { type: "bioxen.chassis.registered.v1", data: { ...data, capacity } };
    const opened = { type, data: { chassisType: "ecoli", capacity, offered: capacity, maxVms: 4 } };
    chassis.apply(storedOf(seq, envelopeOf("chassis", chassisId, registered)));
    ledgers.apply(storedOf(seq + 1, envelopeOf("ledger", chassisId, opened)));
  };
  known(1, "small", SMALL);
  const caughtUp = async () => known(3, "large", LARGE);
  const caller = { call: () => Promise.reject(new Error("unexpected call of another service")) };
  const applied = async () => undefined;
  const ports = { vms, ledgers, chassis, caller, clock, log, knownSeq: () => 0, applied, caughtUp };
  const commands = new VmCommands(ports, new PreemptionCommands(ports));
  for (const one of events) await vms.execute("v", because(one.type), () => accept(one));
  return { commands, moves: new MoveCommands(ports), state: () => vms.get("v").state };
}

it("starts a VM that needs a chassis registered through another instance a moment ago", async () => {
  const { commands, state } = await instance(createdVm({ request: LARGE }));
  expect(await commands.start({ vmId: "v" }, because("start"))).toMatchObject({
    ok: true,
    result: { changed: true },
  });
  expect(state()).toMatchObject({ state: "pending" });
});

it("rejects a VM that fits no chassis, naming all of them", async () => {
  const { commands } = await instance(createdVm({ request: { ribosomes: 12 } }));
  expect(await commands.start({ vmId: "v" }, because("start"))).toMatchObject({
    ok: false,
    rejection: { code: "INFEASIBLE", details: { reasons: [{ chassisId: "small" }, { chassisId: "large" }] } },
  });
});

it.each([undefined, "large"])(
  "migrates a VM to a chassis registered through another instance a moment ago (requested: %s)",
  async (chassisId) => {
    const running = [
      createdVm({ request: SMALL }),
      vmEvent("start-requested", { automatic: false }),
      vmEvent("placed", { chassisId: "small", fence: 9, allocation: SMALL }),
      vmEvent("started", { fence: 9 }),
    ];
    const { moves, state } = await instance(...running);
    expect(await moves.migrate({ vmId: "v", chassisId }, because("go"))).toMatchObject({
      ok: true,
      result: { changed: true },
    });
    expect(state()).toMatchObject({ migration: { toChassisId: chassisId ?? null } });
  },
);
