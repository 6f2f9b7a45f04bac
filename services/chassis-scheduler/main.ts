import { LEAST_LOST_AFTER_MS, LOST_AFTER_MS } from "@bioxen/contracts";
import { DEFAULT_POLICY_NAME } from "@bioxen/placement";
import { readChassisTypes, readConfig, runService } from "@bioxen/service-host";
import * as z from "zod";
import { policyOf } from "./src/adapters/policy-of.ts";
import { createChassisScheduler } from "./src/app/service.ts";

const config = z.object({
  /** Placement policy for VMs that do not name a policy: `bin-pack`, `spread`, or the name of an installed package. */
  BIOXEN_PLACEMENT_POLICY: z.string().default(DEFAULT_POLICY_NAME),
  /** Shortest silence of an agent after which its chassis is lost, ms. Must be equal for all schedulers and agents. */
  BIOXEN_LOST_AFTER_MS: z.coerce.number().int().min(LEAST_LOST_AFTER_MS).default(LOST_AFTER_MS),
  /** Directory with additional chassis types, one JSON file each. */
  BIOXEN_CHASSIS_TYPES: z.string().min(1).optional(),
});

await runService({
  name: "chassis-scheduler",
  description: "Places VMs on chassis: registers chassis, plans placements and explains them.",
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
