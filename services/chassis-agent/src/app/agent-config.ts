/**
 * The agent's configuration, from environment variables.
 */
import { id, LEAST_LOST_AFTER_MS, LOST_AFTER_MS } from "@bioxen/contracts";
import { messageOf } from "@bioxen/kernel";
import * as z from "zod";
import { parseOversubscription, parseOwnChassis } from "./chassis-config.ts";
import { DEFAULT_CHECKPOINT_INTERVAL_MS, LEAST_CHECKPOINT_INTERVAL_MS } from "./checkpoint-rounds.ts";

const intervalText = `must be 0 or at least ${LEAST_CHECKPOINT_INTERVAL_MS}`;

/** Returns the schema of the configuration. `maxTimeScale` is the drivers' limit, simulated minutes per second. */
export const agentConfig = (maxTimeScale: number) =>
  z.object({
    BIOXEN_AGENT_ID: id.default("local"),
    /** Chassis that the agent registers: `ecoli:2,yeast:1`. */
    BIOXEN_CHASSIS: z.string().default("").transform(parsedBy(parseOwnChassis)),
    /**
     * Share of the real capacity that the ledgers of `BIOXEN_CHASSIS` offer, in permille by resource: `ribosomes=1500`.
     */
    BIOXEN_OVERSUBSCRIBE: z.string().default("").transform(parsedBy(parseOversubscription)),
    /** Time between two checkpoints of a guest, ms; 0 disables checkpoints. */
    BIOXEN_CHECKPOINT_INTERVAL_MS: z.coerce
      .number()
      .int()
      .refine((ms) => ms === 0 || ms >= LEAST_CHECKPOINT_INTERVAL_MS, intervalText)
      .default(DEFAULT_CHECKPOINT_INTERVAL_MS),
    /** Package of a driver that runs the VMs of type `basic`. */
    BIOXEN_DRIVER: z.string().min(1).optional(),
    /** Package of a cell model for the built-in driver. */
    BIOXEN_CELL_MODEL: z.string().min(1).optional(),
    /** Speed of simulated time, simulated minutes per second. */
    BIOXEN_TIME_SCALE: z.coerce.number().positive().max(maxTimeScale).default(1),
    /**
     * Time without contact to the log after which the chassis count as lost, ms. It must not exceed the value that the
     * schedulers use. The agent pauses the guests before this time ends.
     */
    BIOXEN_LOST_AFTER_MS: z.coerce.number().int().min(LEAST_LOST_AFTER_MS).default(LOST_AFTER_MS),
  });

function parsedBy<T>(parse: (text: string) => T) {
  return (text: string, context: z.RefinementCtx): T => {
    try {
      return parse(text);
    } catch (thrown) {
      context.addIssue({ code: "custom", message: messageOf(thrown) });
      return z.NEVER;
    }
  };
}
