import { id, LEAST_LOST_AFTER_MS, LOST_AFTER_MS } from "@bioxen/contracts";
import { createBasicDriver, MAX_TIME_SCALE } from "@bioxen/driver-basic";
import { ConfigError, readConfig, runService } from "@bioxen/service-host";
import { z } from "zod";
import { type OwnChassis, parseOwnChassis } from "./src/app/chassis-config.ts";
import { createChassisAgent } from "./src/app/service.ts";

const config = z.object({
  BIOXEN_AGENT_ID: id.default("local"),
  /** Chassis it brings: `ecoli:2,yeast:1`. */
  BIOXEN_CHASSIS: z.string().default(""),
  /** Simulated minutes per second. */
  BIOXEN_TIME_SCALE: z.coerce.number().positive().max(MAX_TIME_SCALE).default(1),
  /** As the schedulers have it, or less: guests are held shortly before this much time without the log, ms. */
  BIOXEN_LOST_AFTER_MS: z.coerce.number().int().min(LEAST_LOST_AFTER_MS).default(LOST_AFTER_MS),
});

await runService({
  name: "chassis-agent",
  description: "Runs the guests of its chassis, measures them, tells what became of them.",
  create: (ports, env) => {
    const own = readConfig(config, env);
    return createChassisAgent(ports, {
      agentId: own.BIOXEN_AGENT_ID,
      chassis: chassisFrom(own.BIOXEN_CHASSIS),
      lostAfterMs: own.BIOXEN_LOST_AFTER_MS,
      drivers: [createBasicDriver({ timeScaleMinutesPerSecond: own.BIOXEN_TIME_SCALE })],
      monotonicMs: () => performance.now(),
    });
  },
});

function chassisFrom(text: string): OwnChassis[] {
  try {
    return parseOwnChassis(text);
  } catch (thrown) {
    throw new ConfigError([`BIOXEN_CHASSIS: ${String(thrown)}`]);
  }
}
