import { readConfig, runService } from "@bioxen/service-host";
import * as z from "zod";
import { createAllocator, DEFAULT_START_DEADLINE_MS } from "./src/app/service.ts";

const config = z.object({
  /** Longest time from the reservation of a VM until its guest runs, ms. */
  BIOXEN_START_DEADLINE_MS: z.coerce.number().int().min(100).default(DEFAULT_START_DEADLINE_MS),
});

await runService({
  name: "allocator",
  description: "Keeps the ledgers: reserves capacity for VMs, and releases it when they no longer use it.",
  create: (ports, env) =>
    createAllocator(ports, {
      startDeadlineMs: readConfig(config, env).BIOXEN_START_DEADLINE_MS,
      monotonicMs: () => performance.now(),
    }),
});
