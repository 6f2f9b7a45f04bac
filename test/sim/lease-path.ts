/**
 * The access of one process to the leases of a simulated cluster: late, cut off for a while, or without an
 * acknowledgement.
 */
import { Fault, type LeaseStore } from "@bioxen/kernel";
import type { Cluster } from "./cluster.ts";
import type { Presence } from "./presence.ts";

/** How long the leases are unreachable, ms: from one missed renewal to a lost lease. */
const CUT_MS = { least: 500, most: 8_000 };
/** A call that gets no answer fails after this, ms. */
const CALL_TIMEOUT_MS = 800;

export function leasePath(
  { universe, faults, leases, log }: Cluster,
  presence: Pick<Presence, "leasesCutUntilMs">,
): LeaseStore {
  let cutUntilMs = 0;
  const noAnswer = async (): Promise<never> => {
    await universe.delay(CALL_TIMEOUT_MS);
    throw new Fault("UNAVAILABLE", "the leases do not answer", { retryable: true });
  };
  const arrive = async (): Promise<void> => {
    if (faults.strikes("leases-cut"))
      cutUntilMs = universe.nowMs + universe.between(CUT_MS.least, CUT_MS.most);
    if (universe.nowMs < Math.max(cutUntilMs, presence.leasesCutUntilMs)) await noAnswer();
    await universe.delay(log.delayMs());
  };
  return {
    async read(name) {
      await arrive();
      return leases.read(name);
    },
    async write(name, record, revision) {
      await arrive();
      const before = await leases.read(name);
      const written = await leases.write(name, record, revision);
      if (written !== undefined && before !== undefined && before.holder !== record.holder) {
        faults.count("lease-taken-over");
      }
      return faults.strikes("lease-ack-lost") ? noAnswer() : written;
    },
  };
}
