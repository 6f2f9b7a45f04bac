/**
 * Keeps this process from running guests beside a process of version 0.1.0 with the same agent id. A rolling upgrade
 * may start the newer process first. Version 0.1.0 knows no claim (`claim.ts`), so both processes would run all guests.
 *
 * Heartbeats of version 0.1.0 do not name their process. The first process that makes a claim on an agent id listens
 * for such heartbeats before it runs guests. It listens only if the log has a chassis of the agent: without a chassis,
 * the older process can run no guest. Not covered: a process of version 0.1.0 that starts after a newer process ran.
 */
import { ALL_CHASSIS_TELEMETRY, chassisSample, SAMPLE_INTERVAL_MS } from "@bioxen/contracts";
import type { ServicePorts } from "@bioxen/kernel";

/**
 * An agent of version 0.1.0 counts as ended after this time without a heartbeat, ms. Up to two heartbeats may be late
 * or lost.
 */
export const OLDER_AGENT_QUIET_MS = 2.5 * SAMPLE_INTERVAL_MS;

export interface OlderAgentOptions {
  readonly ports: Pick<ServicePorts, "bus" | "timers" | "logger">;
  readonly agentId: string;
  /** Called with the reason to wait when the first heartbeat of an older agent arrives. */
  readonly onWait: (reason: string) => void;
}

/** Resolves once no heartbeat of an older agent with this id has come for {@link OLDER_AGENT_QUIET_MS}. */
export function olderAgentGone({ ports, agentId, onWait }: OlderAgentOptions): Promise<void> {
  const { bus, timers, logger } = ports;
  return new Promise((resolve) => {
    let isHeard = false;
    let quiet: { cancel(): void } | undefined;
    const subscription = bus.subscribe(ALL_CHASSIS_TELEMETRY, (payload) => {
      const { success, data } = chassisSample.safeParse(payload);
      if (!success || data.agentId !== agentId || data.instance !== undefined) return;
      if (!isHeard) {
        const reason =
          `agent ${agentId} is run by a process of version 0.1.0: this process runs no guest until that one ends. ` +
          "Stop the older one";
        logger.warn({ agentId }, reason);
        onWait(reason);
      }
      isHeard = true;
      listen();
    });
    const listen = () => {
      quiet?.cancel();
      quiet = timers.after(OLDER_AGENT_QUIET_MS, () => {
        subscription.stop();
        resolve();
      });
    };
    listen();
  });
}
