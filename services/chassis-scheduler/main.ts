import { runService } from "@bioxen/service-host";
import { createChassisScheduler } from "./src/app/service.ts";

await runService({
  name: "chassis-scheduler",
  description: "Which chassis hosts whom: registers chassis, plans placements, explains them.",
  create: createChassisScheduler,
});
