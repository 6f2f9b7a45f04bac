/**
 * The decision that gave a VM its place, read from the reservation that the VM's fence names. The log keeps each
 * decision, so that no copy is held in memory and no decision is reconstructed later.
 */
import { domainEventOf, eventSubject, type RecordedDecision, type Vm } from "@bioxen/contracts";
import { type EventLog, positionOf } from "@bioxen/kernel";

/**
 * Returns the decision that gave the VM its present place; null when the VM has no place, or when its reservation dates
 * from a version that recorded no decisions.
 */
export async function recordedDecision(
  log: EventLog,
  vmId: string,
  { chassisId, fence }: Pick<Vm, "chassisId" | "fence">,
): Promise<RecordedDecision | null> {
  if (chassisId === null || fence === null) return null;
  const [stored] = await log.read(eventSubject("ledger", chassisId), fence - 1, fence);
  if (stored === undefined) return null;
  const event = domainEventOf(stored.envelope);
  if (event.type !== "bioxen.ledger.reserved.v1") return null;
  const { planId, reservations } = event.data;
  const decision = reservations.find((one) => one.vmId === vmId)?.decision;
  if (decision === undefined) return null;
  return { ...decision, chassisId, planId, seq: stored.seq, atMs: positionOf(stored).atMs };
}

/** Returns the decision as one phrase for operators. */
export function decisionWords(decision: RecordedDecision): string {
  const { chassisId, policy, policyVersion, score, candidates, looked, fitting, refused } = decision;
  const [next] = candidates.filter((one) => one.chassisId !== chassisId);
  const others =
    next === undefined
      ? "no other examined chassis could hold it"
      : `ahead of ${next.chassisId} with ${next.score}`;
  const refusals = refused.map(
    ({ code, resource, chassisCount }) => `${chassisCount} ${code}${resource ? ` (${resource})` : ""}`,
  );
  const refusedWords = refusals.length === 0 ? "" : `; refused: ${refusals.join(", ")}`;
  return `${policy} version ${policyVersion} scored ${chassisId} ${score} of 1000, ${others}; ${fitting} of ${looked} examined could hold it${refusedWords}`;
}
