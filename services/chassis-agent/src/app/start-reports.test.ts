/**
 * Which failures of a start are reported as refusals of the host, and how often progress is reported.
 */
import type { Vm } from "@bioxen/contracts";
import { FakeClock } from "@bioxen/testkit";
import { DriverError } from "@bioxen/vm-driver";
import { expect, it } from "vitest";
import type { Report } from "./reports.ts";
import { PROGRESS_EVERY_MS, refusalReport, StartProgressReports, startDueAtMs } from "./start-reports.ts";

const FENCE = 7;
const fresh = {} as Vm;
const refusedTwice = { refusedStart: { fence: FENCE, tries: 2, retryAtMs: 5_000 } } as Vm;
const of = (error: DriverError, vm = fresh) => refusalReport("a", vm, FENCE, error);

it("a host that refuses is reported with its code and the number of the try; one that does not answer is not", () => {
  const refusal = new DriverError("UNAVAILABLE", "busy", { hostCode: "TOO_BUSY" });
  expect(of(refusal)).toMatchObject({ code: "UNAVAILABLE", hostCode: "TOO_BUSY", tries: 1, fence: FENCE });
  expect(of(refusal, refusedTwice)).toMatchObject({ tries: 3 });
  expect(of(new DriverError("CAPACITY_EXCEEDED", "full"))).toMatchObject({ code: "CAPACITY_EXCEEDED" });
  expect(of(new DriverError("UNAVAILABLE", "no answer"))).toBeUndefined();
  expect(of(new DriverError("UNSUPPORTED", "never", { hostCode: "VM_HVM_REQUIRED" }))).toBeUndefined();
});

it("the next try waits for the time of the refusal, but not at another place", () => {
  expect(startDueAtMs(refusedTwice, FENCE)).toBe(5_000);
  expect(startDueAtMs(refusedTwice, FENCE + 1)).toBe(0);
  expect(startDueAtMs(fresh, FENCE)).toBe(0);
});

it("progress is reported at once, then at intervals, for each VM on its own", async () => {
  const clock = new FakeClock(PROGRESS_EVERY_MS);
  const sent: Report[] = [];
  const logger = { debug: () => undefined } as never;
  const progress = new StartProgressReports({ clock, logger }, { send: async (report) => sent.push(report) });
  const note = (vmId: string, permille: number) =>
    progress.note({ kind: "progress", vmId, fence: FENCE, permille });
  note("a", 0);
  note("a", 10);
  note("a", 20);
  note("b", 30);
  await clock.advance(PROGRESS_EVERY_MS);
  note("a", 40);
  expect(sent.map(({ vmId, permille }) => [vmId, permille])).toEqual([
    ["a", 10],
    ["b", 30],
    ["a", 40],
  ]);
});
