import { driverConformance } from "@bioxen/vm-driver/conformance";
import { createBasicDriver } from "../src/index.ts";
import { cellSpec } from "./fleet.ts";

driverConformance("basic", () => ({
  driver: createBasicDriver({ timeScaleMinutesPerSecond: 1 }),
  spec: cellSpec,
  program: { source: "return {cell.id, 1 + 1}", result: ["cell-a", 2] },
}));

driverConformance("basic, with a program in every guest", () => ({
  driver: createBasicDriver({ timeScaleMinutesPerSecond: 1 }),
  spec: (vmId, fence) => cellSpec(vmId, fence, { program: "answer = 42 function on_minute() end" }),
  program: { source: "return answer", result: 42 },
}));
