import { availableParallelism } from "node:os";
import { MAX_TIME_SCALE } from "@bioxen/driver-basic";
import { namedIds, readConfig, runService } from "@bioxen/service-host";
import { driversOf } from "./src/adapters/drivers-of.ts";
import { agentConfig } from "./src/app/agent-config.ts";
import { oversubscribed } from "./src/app/chassis-config.ts";
import { createChassisAgent } from "./src/app/service.ts";

await runService({
  name: "chassis-agent",
  description: "Runs the guests of its chassis, measures them, and reports what happens to them.",
  isUnique: true,
  create: async (ports, env, clusterId) => {
    const config = readConfig(
      agentConfig({ maxTimeScale: MAX_TIME_SCALE, processors: availableParallelism() }),
      env,
    );
    const extensions = { driver: config.BIOXEN_DRIVER, cellModels: config.BIOXEN_CELL_MODEL };
    const cells = { timeScale: config.BIOXEN_TIME_SCALE, threads: config.BIOXEN_CELL_THREADS };
    const identity = { agentId: config.BIOXEN_AGENT_ID, clusterId };
    const own = await driversOf(ports, env, identity, cells, extensions);
    return createChassisAgent(ports, {
      ...identity,
      instance: namedIds.next(),
      chassis: oversubscribed(config.BIOXEN_CHASSIS, config.BIOXEN_OVERSUBSCRIBE),
      lostAfterMs: config.BIOXEN_LOST_AFTER_MS,
      ...own,
      checkpointIntervalMs: config.BIOXEN_CHECKPOINT_INTERVAL_MS,
      monotonicMs: () => performance.now(),
    });
  },
});
