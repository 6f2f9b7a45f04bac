import { LEAST_LOST_AFTER_MS, LOST_AFTER_MS } from "@bioxen/contracts";
import { DEFAULT_POLICY_NAME } from "@bioxen/placement";
import { readChassisTypes, readConfig, runService } from "@bioxen/service-host";
import { z } from "zod";
import { policyOf } from "./src/adapters/policy-of.ts";
import { createChassisScheduler } from "./src/app/service.ts";

const config = z.object({
  /** How a VM's chassis is chosen when the VM says nothing: `bin-pack`, `spread`, or a package of one's own. */
  BIOXEN_PLACEMENT_POLICY: z.string().default(DEFAULT_POLICY_NAME),
  /** Least silence of an agent after which its chassis is lost, ms; the same for all schedulers and agents. */
  BIOXEN_LOST_AFTER_MS: z.coerce.number().int().min(LEAST_LOST_AFTER_MS).default(LOST_AFTER_MS),
  /** Directory of further types of chassis, one JSON file each. */
  BIOXEN_CHASSIS_TYPES: z.string().min(1).optional(),
});

await runService({
  name: "chassis-scheduler",
  description: "Which chassis hosts whom: registers chassis, plans placements, explains them.",
  create: async (ports, env) => {
    const settings = readConfig(config, env);
    return createChassisScheduler(ports, {
      policy: await policyOf(settings.BIOXEN_PLACEMENT_POLICY, ports.logger),
      lostAfterMs: settings.BIOXEN_LOST_AFTER_MS,
      chassisTypes: readChassisTypes(settings.BIOXEN_CHASSIS_TYPES),
      monotonicMs: () => performance.now(),
    });
  },
});
