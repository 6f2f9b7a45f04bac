import { createBasicDriver, MAX_TIME_SCALE } from "@bioxen/driver-basic";
import { ConfigError, readConfig, runService } from "@bioxen/service-host";
import { z } from "zod";
import { type OwnChassis, parseOwnChassis } from "./src/app/chassis-config.ts";
import { createChassisAgent } from "./src/app/service.ts";

const config = z.object({
  BIOXEN_AGENT_ID: z
    .string()
    .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/)
    .default("local"),
  /** Chassis it brings: `ecoli:2,yeast:1`. */
  BIOXEN_CHASSIS: z.string().default(""),
  /** Simulated minutes per second. */
  BIOXEN_TIME_SCALE: z.coerce.number().positive().max(MAX_TIME_SCALE).default(1),
});

await runService({
  name: "chassis-agent",
  description: "Runs the guests of its chassis, measures them, tells what became of them.",
  create: (ports, env) => {
    const { BIOXEN_AGENT_ID, BIOXEN_CHASSIS, BIOXEN_TIME_SCALE } = readConfig(config, env);
    return createChassisAgent(ports, {
      agentId: BIOXEN_AGENT_ID,
      chassis: chassisFrom(BIOXEN_CHASSIS),
      drivers: [createBasicDriver({ timeScaleMinutesPerSecond: BIOXEN_TIME_SCALE })],
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
