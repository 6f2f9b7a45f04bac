import { runService } from "@bioxen/service-host";
import { createExperiments } from "./src/app/service.ts";

await runService({
  name: "experiments",
  description: "Runs experiments: creates their VMs, stores their results and removes the VMs.",
  create: createExperiments,
});
