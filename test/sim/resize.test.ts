/**
 * A resize that the ledger granted and no command recorded, because the command's instance died in between.
 */
import {
  type ChassisState,
  chassisFold,
  type Ledger,
  LedgersOfVms,
  ledgerFold,
  type VmState,
  vmFold,
} from "@bioxen/contracts";
import { Aggregates, ReadModel } from "@bioxen/kernel";
import { appendNext, createdVm, FakeClock, idsInOrder, MemoryEventLog } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { ADOPT_AFTER_MS, VmProcess } from "../../services/lifecycle/src/app/vm-process.ts";

/** A VM that runs with 10 ribosomes, and whose ledger already has 20 for it. */
async function granted() {
  const log = new MemoryEventLog();
  const clock = new FakeClock();
  const vms = new Aggregates<VmState>({
    kind: "vm",
    fold: vmFold,
    log,
    clock,
    ids: idsInOrder(),
    source: "/bioxen/lifecycle",
  });
  const ledgers = new ReadModel<Ledger>("ledger", ledgerFold);
  const chassis = new ReadModel<ChassisState>("chassis", chassisFold);
  const happen = async (kind: "vm" | "ledger", type: string, data: object) => {
    const event = await appendNext(log, kind, "a", { type: `bioxen.${kind}.${type}.v1`, data });
    if (kind === "vm") vms.apply(event);
    else ledgers.apply(event);
    return event.seq;
  };
  const amounts = { ribosomes: 10 };
  const offered = { ribosomes: 100 };
  await happen("ledger", "opened", { chassisType: "ecoli", capacity: offered, offered, maxVms: 5 });
  await happen("vm", "created", createdVm().data);
  await happen("vm", "start-requested", { automatic: false });
  const reservations = [{ vmId: "a", incarnation: 1, amounts }];
  const fence = await happen("ledger", "reserved", { planId: "p", reservations, expiresAtMs: 9e15 });
  await happen("vm", "placed", { chassisId: "a", fence, allocation: amounts });
  await happen("vm", "started", { fence });
  await happen("ledger", "resized", { vmId: "a", fence, amounts: { ribosomes: 20 } });
  const allocation = () => {
    const { state } = vms.get("a");
    return state.exists ? state.allocation : undefined;
  };
  const ledgersOf = new LedgersOfVms();
  ledgersOf.note("a", ledgers.get("a"));
  const world = { vms, ledgers, ledgersOf, chassis, knownSeq: () => Number.MAX_SAFE_INTEGER };
  return { clock, allocation, process: new VmProcess(world, clock, () => true) };
}

it("is left to its command at first, and adopted after a while", async () => {
  const { clock, allocation, process } = await granted();
  const dueAtMs = clock.nowMs() + ADOPT_AFTER_MS;
  expect(await process.step("a"), "the process looks again without an event").toEqual({ dueAtMs });
  await clock.advance(ADOPT_AFTER_MS - 1);
  expect(await process.step("a")).toEqual({ dueAtMs });
  expect(allocation()).toEqual({ ribosomes: 10 });
  await clock.advance(1);
  expect(await process.step("a")).toBeUndefined();
  expect(allocation()).toEqual({ ribosomes: 20 });
});
