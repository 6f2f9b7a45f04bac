/**
 * Keeps this process from running guests beside an agent of version 0.1.0 with the same id, in a rolling upgrade that
 * starts the newer process first. That version knows no claim (`claim.ts`), so both would run every guest.
 *
 * Its heartbeats show it: they do not name their process. The first process of an agent that makes a claim at all
 * listens for them before it begins, if the log has a chassis of its agent: without one, no agent of an older version
 * can run a guest. Not covered: an agent of version 0.1.0 that was started again after a newer one had run.
 */
import { ALL_CHASSIS_TELEMETRY, chassisSample, SAMPLE_INTERVAL_MS } from "@bioxen/contracts";
import type { ServicePorts } from "@bioxen/kernel";

/** Time without such a heartbeat after which no older agent runs, ms: two heartbeats may be late or lost. */
export const OLDER_AGENT_QUIET_MS = 2.5 * SAMPLE_INTERVAL_MS;

export interface OlderAgentOptions {
  readonly ports: Pick<ServicePorts, "bus" | "timers" | "logger">;
  readonly agentId: string;
  /** Called with the reason when an older agent is heard. */
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
