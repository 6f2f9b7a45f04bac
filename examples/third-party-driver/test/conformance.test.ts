import { driverConformance } from "@bioxen/vm-driver/conformance";
import { createDriver } from "../src/index.ts";

driverConformance("third-party", () => ({
  driver: createDriver({ timeScaleMinutesPerSecond: 10 }),
  spec: (vmId, fence) => ({
    vmId,
    incarnation: 1,
    fence,
    biologicalType: "syn3a",
    seed: 1,
    allocation: { ribosomes: 503 },
    config: {},
  }),
}));
