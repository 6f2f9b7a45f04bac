import { PLACEMENT_POLICIES } from "@bioxen/contracts";
import { builtInPolicy, DEFAULT_POLICY_NAME } from "@bioxen/placement";
import { readConfig, runService } from "@bioxen/service-host";
import { z } from "zod";
import { createChassisScheduler } from "./src/app/service.ts";

const config = z.object({
  /** How a VM's chassis is chosen when the VM says nothing: `bin-pack` or `spread`. */
  BIOXEN_PLACEMENT_POLICY: z.enum(PLACEMENT_POLICIES).default(DEFAULT_POLICY_NAME),
});

await runService({
  name: "chassis-scheduler",
  description: "Which chassis hosts whom: registers chassis, plans placements, explains them.",
  create: (ports, env) =>
    createChassisScheduler(ports, { policy: builtInPolicy(readConfig(config, env).BIOXEN_PLACEMENT_POLICY) }),
});
