/**
 * Reports that the log and the store of guest states do not bear out change nothing.
 */
import { createHash } from "node:crypto";
import {
  type CheckpointRecord,
  chassisFold,
  type ParsedRequestOf,
  type VmEvent,
  type VmState,
  vmFold,
} from "@bioxen/contracts";
import { Aggregates, accept, type Causation, ReadModel } from "@bioxen/kernel";
import { createdVm, FakeClock, idsInOrder, MemoryBlobs, MemoryEventLog, vmEvent } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { ReportCommand } from "./report-command.ts";

const PLACE = { chassisId: "c", fence: 3, allocation: { ribosomes: 10 } };
const RUNNING = [
  createdVm(),
  vmEvent("start-requested", { automatic: false }),
  vmEvent("placed", PLACE),
  vmEvent("started", { fence: 3 }),
];
const BECAUSE: Causation = { causeId: "test", correlationId: "test", deduplicate: false };
const BYTES = new TextEncoder().encode("a state");

const recordOf = (checkpointId: string, simMinutes: number, bytes = BYTES): CheckpointRecord => ({
  checkpointId,
  simMinutes,
  bytes: bytes.length,
  sha256: createHash("sha256").update(bytes).digest("hex"),
});

async function world(...more: readonly VmEvent[]) {
  const log = new MemoryEventLog();
  const clock = new FakeClock();
  const blobs = new MemoryBlobs();
  const ids = idsInOrder("e");
  const vms = new Aggregates<VmState>({ kind: "vm", fold: vmFold, log, clock, ids, source: "/bioxen/test" });
  for (const event of [...RUNNING, ...more]) await vms.execute("a", BECAUSE, () => accept(event));
  const ledgers = new ReadModel("ledger", { schema: 1, initial: { entries: {} } as never, evolve: (s) => s });
  const chassis = new ReadModel("chassis", chassisFold);
  const reports = new ReportCommand({ vms, ledgers, chassis, clock, blobs, log, knownSeq: () => 0 });
  const before = await log.lastSeq();
  type Report = ParsedRequestOf<"vmReport">;
  const report = async (fields: Partial<Report> & Pick<Report, "observed">) => {
    const request = { vmId: "a", fence: 3, reason: "", code: "INTERNAL", ...fields };
    const handled = await reports.report(request, BECAUSE);
    const types = (await log.read("bioxen.evt.vm.a", before)).map(({ envelope }) => envelope.type);
    return { handled, types };
  };
  return { blobs, clock, report, state: () => vms.get("a").state };
}

describe("a report", () => {
  it.each([5, 2 ** 53 - 1])("under the fence %i, which is beyond the log, is refused", async (fence) => {
    const { report } = await world();
    const { handled, types } = await report({ observed: "failed", fence });
    expect(handled).toMatchObject({ rejection: { code: "BAD_REQUEST" } });
    expect(types).toEqual([]);
  });

  it("under another fence than the VM's changes nothing", async () => {
    const { report } = await world();
    for (const observed of ["failed", "stopped", "restarted", "started"] as const) {
      expect((await report({ observed, fence: 2 })).handled).toMatchObject({ result: { changed: false } });
    }
  });

  it("records a guest state only when it is stored with its digest", async () => {
    const { blobs, report } = await world();
    const checkpoint = recordOf("k1", 7);
    const checkpointed = (one: CheckpointRecord) =>
      report({ observed: "checkpointed", restores: 0, checkpoint: one });
    expect((await checkpointed(checkpoint)).types).toEqual([]);
    await blobs.put("a.k1", BYTES);
    expect((await checkpointed({ ...checkpoint, sha256: "0".repeat(64) })).types).toEqual([]);
    expect((await checkpointed(checkpoint)).types).toEqual(["bioxen.vm.checkpointed.v1"]);
  });

  it("does not record the same stored state again under a later minute", async () => {
    const { blobs, report, state } = await world(vmEvent("checkpointed", { fence: 3, ...recordOf("k1", 7) }));
    await blobs.put("a.k1", BYTES);
    const checkpoint = recordOf("k1", 1_000_000_000_000);
    expect((await report({ observed: "checkpointed", restores: 0, checkpoint })).types).toEqual([]);
    expect(state()).toMatchObject({ checkpoint: { simMinutes: 7 } });
  });

  it("ends a checkpoint only when its state is missing or damaged, or its driver rejects it", async () => {
    const kept = vmEvent("checkpointed", { fence: 3, ...recordOf("k1", 7) });
    const lost = (code: string, checkpointId = "k1") =>
      ({ observed: "checkpoint-lost", code, checkpointId }) as const;
    const whole = await world(kept);
    await whole.blobs.put("a.k1", BYTES);
    for (const code of ["MISSING", "DAMAGED"]) expect((await whole.report(lost(code))).types).toEqual([]);
    expect((await whole.report(lost("REFUSED", "k2"))).types).toEqual([]);
    expect((await whole.report(lost("REFUSED"))).types).toEqual(["bioxen.vm.checkpoint-lost.v1"]);
    const missing = await world(kept);
    expect((await missing.report(lost("MISSING"))).types).toEqual(["bioxen.vm.checkpoint-lost.v1"]);
  });

  it("about a change in the future is refused", async () => {
    const { clock, report } = await world();
    for (const aheadMs of [86_400_001, 2 ** 53]) {
      const outside = { seen: "paused", drift: "accept", seenAtMs: clock.nowMs() + aheadMs } as const;
      const { handled } = await report({ observed: "outside-change", outside });
      expect(handled).toMatchObject({ rejection: { code: "BAD_REQUEST" } });
    }
  });
});
