/**
 * The VM of a second daughter: it is recorded once, for the owner of its mother, from a stored state.
 */
import { createHash } from "node:crypto";
import {
  type CheckpointRecord,
  chassisFold,
  MAX_LINEAGE_VMS,
  type Vm,
  type VmEvent,
  type VmState,
  vmFold,
} from "@bioxen/contracts";
import { Aggregates, accept, type Causation, ReadModel } from "@bioxen/kernel";
import { createdVm, FakeClock, idsInOrder, MemoryBlobs, MemoryEventLog, vmEvent } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { vmDecider } from "../domain/vm-decider.ts";
import { DivisionCommand } from "./division-command.ts";
import { Lineages } from "./lineages.ts";

const BOTH = createdVm({ config: { lineage: "both" }, labels: { study: "lineage" }, seed: 3 });
const PLACE = { chassisId: "c", fence: 3, allocation: { ribosomes: 10 } };
const begun = [
  vmEvent("start-requested", { automatic: false }),
  vmEvent("placed", PLACE),
  vmEvent("started", { fence: 3 }),
];
const BECAUSE: Causation = {
  causeId: "test",
  correlationId: "test",
  deduplicate: false,
  principal: "agent:local",
};
const BYTES = new TextEncoder().encode("a state");
const STORED: CheckpointRecord = {
  checkpointId: "local.k1",
  simMinutes: 70,
  bytes: BYTES.length,
  sha256: createHash("sha256").update(BYTES).digest("hex"),
};

async function world(mother: VmEvent = BOTH, vmId = "a") {
  const log = new MemoryEventLog();
  const clock = new FakeClock();
  const blobs = new MemoryBlobs();
  const ids = idsInOrder("e");
  const vms = new Aggregates<VmState>({ kind: "vm", fold: vmFold, log, clock, ids, source: "/bioxen/test" });
  const happens = (id: string, event: VmEvent, principal = "alice") =>
    vms.execute(id, { ...BECAUSE, principal }, () => accept(event));
  for (const event of [mother, ...begun]) await happens(vmId, event);
  const lineages = new Lineages(vms);
  const chassis = new ReadModel("chassis", chassisFold);
  const divisions = new DivisionCommand({ vms, chassis, blobs, log, knownSeq: () => 0, lineages });
  const divide = (division: number, more: object = {}) =>
    divisions.divide({ vmId, fence: 3, restores: 0, division, checkpoint: STORED, ...more }, BECAUSE);
  const store = (id: string) => blobs.put(`${id}.${STORED.checkpointId}`, BYTES);
  const state = (id: string) => vms.get(id).state as Vm;
  return { divide, happens, lineages, log, state, store, vms };
}

describe("a division", () => {
  it("makes a VM with the owner, labels and config of the mother, which starts by itself", async () => {
    const { divide, state, store, vms } = await world();
    await store("a-2");
    expect(await divide(2)).toEqual({ ok: true, result: { changed: true, daughterId: "a-2" } });
    expect(state("a-2")).toMatchObject({
      state: "created",
      owner: "alice",
      parent: "a",
      labels: { study: "lineage" },
      config: { lineage: "both" },
      birth: { root: "a", incarnation: 1, division: 2, simMinute: 70 },
      checkpoint: STORED,
    });
    expect(state("a-2").seed).not.toBe(3);
    const started = vmDecider.decide(vms.get("a-2").state, { type: "restart", nowMs: 0 });
    expect(started).toMatchObject({ event: { type: "bioxen.vm.start-requested.v1" } });
    // Any other new VM waits for its start.
    expect(
      vmDecider.decide({ ...state("a-2"), birth: undefined }, { type: "restart", nowMs: 0 }),
    ).toMatchObject({
      event: null,
    });
  });

  it("is recorded once, also after the daughter was destroyed, and names its daughter again", async () => {
    const { divide, happens, log, state, store } = await world();
    await store("a-1");
    await divide(1);
    const before = await log.lastSeq();
    expect(await divide(1)).toEqual({ ok: true, result: { changed: false, daughterId: "a-1" } });
    expect(await log.lastSeq()).toBe(before);
    await happens("a-1", vmEvent("stop-requested", { destroy: true }));
    await happens("a-1", vmEvent("stopped", { reason: "by command" }));
    await happens("a-1", vmEvent("destroyed", { reason: "by command" }));
    expect(await divide(1)).toEqual({ ok: true, result: { changed: false, daughterId: "a-1" } });
    expect(state("a-1").state).toBe("destroyed");
  });

  it("has the same seeds in every run, and another one for each daughter", async () => {
    const seeds = async (division: number) => {
      const { divide, state, store } = await world();
      await store(`a-${division}`);
      await divide(division);
      return state(`a-${division}`).seed;
    };
    expect(await seeds(1)).toBe(await seeds(1));
    expect(await seeds(1)).not.toBe(await seeds(2));
  });

  it.each([
    ["of an earlier guest", BOTH, { fence: 2 }, "another guest"],
    ["of a guest from before a restore", BOTH, { restores: 1 }, "another guest"],
    ["of a cell that goes on as one", createdVm(), {}, "one daughter"],
  ] as const)("%s changes nothing and says why", async (_name, mother, more, reason) => {
    const { divide, log, store } = await world(mother);
    await store("a-1");
    const before = await log.lastSeq();
    expect(await divide(1, more)).toMatchObject({
      ok: true,
      result: { changed: false, daughterId: null, reason: expect.stringContaining(reason) },
    });
    expect(await log.lastSeq()).toBe(before);
  });

  it("has no daughter whose id is taken or too long, and waits for a state that is not stored yet", async () => {
    const { divide, happens } = await world();
    expect(await divide(1)).toMatchObject({ ok: false, rejection: { code: "UNAVAILABLE", retryable: true } });
    await happens("a-1", createdVm());
    expect(await divide(1)).toMatchObject({
      result: { daughterId: null, reason: "there is another VM a-1" },
    });
    const long = await world(BOTH, "a".repeat(62));
    expect(await long.divide(1)).toMatchObject({
      result: { daughterId: null, reason: expect.stringContaining("too long") },
    });
  });

  it("ends the growth of a lineage at its limit, and lets it go on below", async () => {
    const { divide, lineages, state, store } = await world();
    await store("a-1");
    const born = (n: number) => ({
      ...state("a"),
      birth: { root: "a", incarnation: 1, division: n, simMinute: 1 },
    });
    expect(lineages.sizeOf("a")).toBe(1);
    for (let n = 2; n <= MAX_LINEAGE_VMS; n += 1) lineages.note(`x-${n}`, born(n));
    expect(lineages.sizeOf("a")).toBe(MAX_LINEAGE_VMS);
    expect(await divide(1)).toMatchObject({
      result: { daughterId: null, reason: expect.stringContaining("1000 VMs") },
    });
    lineages.note("x-2", { ...born(2), state: "destroyed" });
    expect(await divide(1)).toMatchObject({ result: { daughterId: "a-1" } });
  });
});
