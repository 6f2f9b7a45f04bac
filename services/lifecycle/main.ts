import { runService } from "@bioxen/service-host";
import { createLifecycle } from "./src/app/service.ts";

await runService({
  name: "lifecycle",
  description: "One VM's life: decides its commands and drives it from request to place, guest and end.",
  writesSnapshots: true,
  create: createLifecycle,
});
