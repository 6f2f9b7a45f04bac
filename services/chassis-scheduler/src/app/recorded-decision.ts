/**
 * Why a VM got its place, as it was decided then: read from the reservation that its fence names, so that nothing is
 * kept in memory and nothing is made up afterwards.
 */
import { domainEventOf, eventSubject, type RecordedDecision, type Vm } from "@bioxen/contracts";
import { type EventLog, positionOf } from "@bioxen/kernel";

/** null: it has no place, or its place was given before decisions were recorded. */
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

/** One sentence for a person. */
export function decisionWords(decision: RecordedDecision): string {
  const { chassisId, policy, policyVersion, score, candidates, looked, fitting, refused } = decision;
  const [next] = candidates.filter((one) => one.chassisId !== chassisId);
  const others =
    next === undefined
      ? "no other that was looked at could hold it"
      : `before ${next.chassisId} with ${next.score}`;
  const refusals = refused.map(
    ({ code, resource, chassisCount }) => `${chassisCount} ${code}${resource ? ` (${resource})` : ""}`,
  );
  const refusedWords = refusals.length === 0 ? "" : `; refused: ${refusals.join(", ")}`;
  return `${policy} version ${policyVersion} scored ${chassisId} ${score} of 1000, ${others}; ${fitting} of ${looked} looked at could hold it${refusedWords}`;
}
