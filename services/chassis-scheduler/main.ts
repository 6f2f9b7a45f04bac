import { PLACEMENT_POLICIES } from "@bioxen/contracts";
import { DEFAULT_POLICY } from "@bioxen/placement";
import { readConfig, runService } from "@bioxen/service-host";
import { z } from "zod";
import { createChassisScheduler } from "./src/app/service.ts";

const config = z.object({
  /** How a VM's chassis is chosen when the VM says nothing: `bin-pack` or `spread`. */
  BIOXEN_PLACEMENT_POLICY: z.enum(PLACEMENT_POLICIES).default(DEFAULT_POLICY),
});

await runService({
  name: "chassis-scheduler",
  description: "Which chassis hosts whom: registers chassis, plans placements, explains them.",
  create: (ports, env) =>
    createChassisScheduler(ports, { policy: readConfig(config, env).BIOXEN_PLACEMENT_POLICY }),
});
