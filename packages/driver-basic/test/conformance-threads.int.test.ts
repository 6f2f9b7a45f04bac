/** The driver with its cells in threads fulfils the same conformance suite as the one with its cells in this thread. */
import { driverConformance } from "@bioxen/vm-driver/conformance";
import { createThreadedDriver } from "../src/index.ts";
import { cellSpec } from "./fleet.ts";

/** Longer than a tick needs on a busy machine: no minute waits for the next tick. */
const LONG_MS = 60_000;
const budgets = { tickMs: LONG_MS, betweenTicksMs: LONG_MS, maxScaleMs: LONG_MS };
const driver = () => createThreadedDriver({ threads: 2, timeScaleMinutesPerSecond: 1, budgets });

driverConformance("basic, with its cells in threads", () => ({
  driver: driver(),
  spec: cellSpec,
  program: { source: "return {cell.id, 1 + 1}", result: ["cell-a", 2] },
}));

driverConformance("basic, with its cells in threads and a program in every guest", () => ({
  driver: driver(),
  spec: (vmId, fence) => cellSpec(vmId, fence, { program: "answer = 42 function on_minute() end" }),
  program: { source: "return answer", result: 42 },
}));
