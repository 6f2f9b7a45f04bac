/**
 * The agent's configuration, from environment variables.
 */
import { id, LEAST_LOST_AFTER_MS, LOST_AFTER_MS } from "@bioxen/contracts";
import { messageOf } from "@bioxen/kernel";
import { z } from "zod";
import { parseOversubscription, parseOwnChassis } from "./chassis-config.ts";
import { DEFAULT_CHECKPOINT_INTERVAL_MS, LEAST_CHECKPOINT_INTERVAL_MS } from "./checkpoint-rounds.ts";

const intervalText = `must be 0 or at least ${LEAST_CHECKPOINT_INTERVAL_MS}`;

/** `maxTimeScale`: what the drivers take, simulated minutes per second. */
export const agentConfig = (maxTimeScale: number) =>
  z.object({
    BIOXEN_AGENT_ID: id.default("local"),
    /** Chassis it brings: `ecoli:2,yeast:1`. */
    BIOXEN_CHASSIS: z.string().default("").transform(parsedBy(parseOwnChassis)),
    /** Of what these chassis have, the thousandths their ledgers give away: `ribosomes=1500`. */
    BIOXEN_OVERSUBSCRIBE: z.string().default("").transform(parsedBy(parseOversubscription)),
    /** From one checkpoint of a guest to the next, ms; 0: none are taken. */
    BIOXEN_CHECKPOINT_INTERVAL_MS: z.coerce
      .number()
      .int()
      .refine((ms) => ms === 0 || ms >= LEAST_CHECKPOINT_INTERVAL_MS, intervalText)
      .default(DEFAULT_CHECKPOINT_INTERVAL_MS),
    /** A package whose driver runs the VMs of type `basic`. */
    BIOXEN_DRIVER: z.string().min(1).optional(),
    /** A package whose model the built-in driver's cells are. */
    BIOXEN_CELL_MODEL: z.string().min(1).optional(),
    /** Simulated minutes per second. */
    BIOXEN_TIME_SCALE: z.coerce.number().positive().max(maxTimeScale).default(1),
    /** As the schedulers have it, or less: guests are held shortly before this much time without the log, ms. */
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
