import { driverConformance } from "@bioxen/vm-driver/conformance";
import { createBasicDriver } from "../src/index.ts";
import { cellSpec } from "./fleet.ts";

/** The clock is constant, because on a busy machine the tick budget would defer some minutes to the next tick. */
const driver = () => createBasicDriver({ timeScaleMinutesPerSecond: 1, now: () => 0 });

driverConformance("basic", () => ({
  driver: driver(),
  spec: cellSpec,
  program: { source: "return {cell.id, 1 + 1}", result: ["cell-a", 2] },
}));

driverConformance("basic, with a program in every guest", () => ({
  driver: driver(),
  spec: (vmId, fence) => cellSpec(vmId, fence, { program: "answer = 42 function on_minute() end" }),
  program: { source: "return answer", result: 42 },
}));
