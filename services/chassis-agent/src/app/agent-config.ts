/**
 * The agent's configuration, from environment variables.
 */
import { id, LEAST_LOST_AFTER_MS, LOST_AFTER_MS } from "@bioxen/contracts";
import { messageOf } from "@bioxen/kernel";
import * as z from "zod";
import { parseOversubscription, parseOwnChassis } from "./chassis-config.ts";
import { DEFAULT_CHECKPOINT_INTERVAL_MS, LEAST_CHECKPOINT_INTERVAL_MS } from "./checkpoint-rounds.ts";

/** More threads than any machine has processors. */
const MAX_CELL_THREADS = 1_024;

/** Maximum number of other models of an agent. The registrations of its chassis contain the declarations of all. */
const MAX_CELL_MODELS = 8;

const intervalText = `must be 0 or at least ${LEAST_CHECKPOINT_INTERVAL_MS}`;

export interface AgentHost {
  /** The drivers' limit of the time scale, simulated minutes per second. */
  readonly maxTimeScale: number;
  readonly processors: number;
}

/** Returns the schema of the configuration. */
export const agentConfig = ({ maxTimeScale, processors }: AgentHost) =>
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
    /** Packages of cell models for the built-in driver, beside its own: `@acme/chemostat,@acme/yeast`. */
    BIOXEN_CELL_MODEL: z
      .string()
      .default("")
      .transform((text) =>
        [...new Set(text.split(",").map((name) => name.trim()))].filter((name) => name !== ""),
      )
      .refine((names) => names.length <= MAX_CELL_MODELS, `must name at most ${MAX_CELL_MODELS} packages`),
    /**
     * Number of threads that compute the cells of each model of the built-in driver; 0: the agent's own thread computes
     * those of the built-in model, unless there are others. Default: the number of processors.
     */
    BIOXEN_CELL_THREADS: z.coerce.number().int().min(0).max(MAX_CELL_THREADS).default(processors),
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
