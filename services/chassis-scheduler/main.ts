import { LEAST_LOST_AFTER_MS, LOST_AFTER_MS, PLACEMENT_POLICIES } from "@bioxen/contracts";
import { builtInPolicy, DEFAULT_POLICY_NAME } from "@bioxen/placement";
import { readConfig, runService } from "@bioxen/service-host";
import { z } from "zod";
import { createChassisScheduler } from "./src/app/service.ts";

const config = z.object({
  /** How a VM's chassis is chosen when the VM says nothing: `bin-pack` or `spread`. */
  BIOXEN_PLACEMENT_POLICY: z.enum(PLACEMENT_POLICIES).default(DEFAULT_POLICY_NAME),
  /** Least silence of an agent after which its chassis is lost, ms; the same for all schedulers and agents. */
  BIOXEN_LOST_AFTER_MS: z.coerce.number().int().min(LEAST_LOST_AFTER_MS).default(LOST_AFTER_MS),
});

await runService({
  name: "chassis-scheduler",
  description: "Which chassis hosts whom: registers chassis, plans placements, explains them.",
  create: (ports, env) => {
    const { BIOXEN_PLACEMENT_POLICY, BIOXEN_LOST_AFTER_MS } = readConfig(config, env);
    return createChassisScheduler(ports, {
      policy: builtInPolicy(BIOXEN_PLACEMENT_POLICY),
      lostAfterMs: BIOXEN_LOST_AFTER_MS,
      monotonicMs: () => performance.now(),
    });
  },
});
