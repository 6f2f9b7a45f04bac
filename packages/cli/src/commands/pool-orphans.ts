/**
 * Finds the orphans in the pools. A pool whose agent does not answer does not hide the orphans of the others: it is named
 * with the reason.
 */
import type { OrphanView } from "@bioxen/contracts";
import type { ReplyError } from "@bioxen/kernel";
import { CommandEnd, EXIT_REFUSED, EXIT_UNREACHABLE, endOf, refused } from "../outcome.ts";
import type { Session } from "../session.ts";

export interface PoolOrphan extends OrphanView {
  /** The pool that has the machine. */
  readonly chassisId: string;
}

export interface UnansweredPool {
  readonly chassisId: string;
  readonly error: ReplyError;
}

export interface Orphans {
  /** Number of orphans in the pools that answered. */
  readonly total: number;
  readonly orphans: readonly PoolOrphan[];
  readonly unanswered: readonly UnansweredPool[];
}

/** The calls that the look-up makes. */
export type OrphanSession = Pick<Session, "ask" | "call">;

/** Returns the orphans in every pool, or in one pool. Rejects when the pools cannot be listed, or when that one does not answer. */
export async function orphansOf(session: OrphanSession, chassisId?: string): Promise<Orphans> {
  const ids = chassisId === undefined ? await poolsOf(session) : [chassisId];
  const found = await Promise.all(ids.map((id) => orphansIn(session, id)));
  const unanswered = found.flatMap((one) => ("error" in one ? [one] : []));
  const [only] = unanswered;
  if (chassisId !== undefined && only !== undefined) throw endOfUnanswered([only]);
  const answered = found.flatMap((one) => ("error" in one ? [] : [one]));
  return {
    total: answered.reduce((sum, { total }) => sum + total, 0),
    orphans: answered.flatMap(({ orphans }) => orphans),
    unanswered,
  };
}

async function orphansIn(
  session: OrphanSession,
  chassisId: string,
): Promise<{ total: number; orphans: PoolOrphan[] } | UnansweredPool> {
  try {
    const reply = await session.call("chassisOrphans", { chassisId });
    if (!reply.ok) return { chassisId, error: reply.error };
    return { total: reply.total, orphans: reply.orphans.map((one) => ({ chassisId, ...one })) };
  } catch (thrown) {
    const { error, message } = endOf(thrown);
    return { chassisId, error: error ?? { code: "INTERNAL", message, retryable: false } };
  }
}

/** Returns the ids of the chassis that are pools. */
export async function poolsOf(session: OrphanSession): Promise<string[]> {
  const { chassis } = await session.ask("chassisList", {});
  return chassis.filter(({ chassisType }) => chassisType === "xcpng").map((pool) => pool.chassisId);
}

/** Returns the error of a command that needs the answer of these pools. */
export function endOfUnanswered(unanswered: readonly UnansweredPool[]): CommandEnd {
  const message = unanswered.map(unansweredLine).join("\n");
  const isAway = unanswered.some(({ error }) => error.code === "UNAVAILABLE");
  return new CommandEnd(isAway ? EXIT_UNREACHABLE : EXIT_REFUSED, message, unanswered[0]?.error);
}

function unansweredLine({ chassisId, error }: UnansweredPool): string {
  return `pool ${chassisId}: ${refused(error).message}`;
}

/**
 * Returns the only orphan with this uuid or VM id. Ends the command when none or several have it, or when a pool that did
 * not answer may have another of the VM.
 */
export async function orphanNamed(
  session: OrphanSession,
  machine: string,
  chassisId?: string,
): Promise<PoolOrphan> {
  const { orphans, unanswered } = await orphansOf(session, chassisId);
  const named = orphans.filter(({ uuid, vmId }) => uuid === machine || vmId === machine);
  const [first] = named;
  const isCertain = unanswered.length === 0 || first?.uuid === machine;
  if (first !== undefined && named.length === 1 && isCertain) return first;
  if (!isCertain && named.length < 2) throw endOfUnanswered(unanswered);
  const message =
    first === undefined
      ? `no machine of another owner is named ${machine}: list them with bioxen pool orphans`
      : `${named.length} machines of other owners are of VM ${machine}: give the uuid of one`;
  throw new CommandEnd(EXIT_REFUSED, message, { code: "CONFLICT", message, retryable: false });
}
