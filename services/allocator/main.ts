import { readConfig, runService } from "@bioxen/service-host";
import { z } from "zod";
import { createAllocator, DEFAULT_START_DEADLINE_MS } from "./src/app/service.ts";

const config = z.object({
  /** How long a reservation is held for a guest that has not started, ms. */
  BIOXEN_START_DEADLINE_MS: z.coerce.number().int().min(100).default(DEFAULT_START_DEADLINE_MS),
});

await runService({
  name: "allocator",
  description: "The ledgers: gives capacity away, and takes it back when its VM is done with it.",
  create: (ports, env) =>
    createAllocator(ports, {
      startDeadlineMs: readConfig(config, env).BIOXEN_START_DEADLINE_MS,
      monotonicMs: () => performance.now(),
    }),
});
