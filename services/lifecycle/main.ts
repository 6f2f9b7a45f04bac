import { runService } from "@bioxen/service-host";
import { createLifecycle } from "./src/app/service.ts";

await runService({
  name: "lifecycle",
  description:
    "Owns every VM: decides its commands and drives it from its request to its place, its guest and its end.",
  writesSnapshots: true,
  create: createLifecycle,
});
