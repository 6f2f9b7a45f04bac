import { runService } from "@bioxen/service-host";
import { createMonitor } from "./src/app/service.ts";

await runService({
  name: "monitor",
  description: "The last sample of everything, utilisation, fairness and health.",
  create: createMonitor,
});
