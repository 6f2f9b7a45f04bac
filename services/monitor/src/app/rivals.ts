/**
 * Counts the rivals of every chassis: processes that want to run the chassis while another process runs it.
 *
 * There are two signs of a rival. First, the rival's status samples name the chassis as refused. The reason is that
 * another process holds the rival's agent id, or that another agent runs the chassis. Second, heartbeats of the chassis
 * come alternately from two processes. One of these processes is then an agent of a version that refuses no chassis.
 */
import type { ChassisSample, ServiceSample } from "@bioxen/contracts";

/**
 * Time for which a process is counted after its last message, ms. It covers two status samples, which are sent every
 * 2 s, and a margin. In a rolling restart, both processes are counted for no longer than this time.
 */
const HEARD_MS = 4_500;
/** Maximum number of processes that are counted per chassis: further processes change no decision. */
const MAX_PROCESSES = 16;
/** The name of a process of an older version, whose heartbeats do not name their process. */
const UNNAMED = "";

export class Rivals {
  /** By chassis id, the instant of the last heartbeat of each process, ms. */
  readonly #heartbeats = new Map<string, Map<string, number>>();
  /** By instance, the last status sample that named refused chassis, and its instant, ms. */
  readonly #refusals = new Map<
    string,
    { readonly heardAtMs: number; readonly chassisIds: readonly string[] }
  >();

  hearHeartbeat({ chassisId, instance = UNNAMED }: ChassisSample, nowMs: number): void {
    const known = this.#heartbeats.get(chassisId) ?? new Map<string, number>();
    for (const [one, heardAtMs] of known) if (isOld(heardAtMs, nowMs)) known.delete(one);
    if (known.size < MAX_PROCESSES || known.has(instance)) known.set(instance, nowMs);
    this.#heartbeats.set(chassisId, known);
  }

  hearService({ instance, agent }: ServiceSample, nowMs: number): void {
    for (const [one, { heardAtMs }] of this.#refusals)
      if (isOld(heardAtMs, nowMs)) this.#refusals.delete(one);
    const chassisIds = agent?.refused.map(({ chassisId }) => chassisId) ?? [];
    if (chassisIds.length === 0) this.#refusals.delete(instance);
    else this.#refusals.set(instance, { heardAtMs: nowMs, chassisIds });
  }

  /** Returns the number of rivals of the process that runs the chassis; 0 in the normal case. */
  of(chassisId: string, nowMs: number): number {
    const running = [...(this.#heartbeats.get(chassisId)?.values() ?? [])].filter((at) => !isOld(at, nowMs));
    const refused = [...this.#refusals.values()].filter(
      ({ heardAtMs, chassisIds }) => !isOld(heardAtMs, nowMs) && chassisIds.includes(chassisId),
    );
    return Math.max(0, running.length - 1) + refused.length;
  }

  /** Drops a chassis that was removed. */
  forget(chassisId: string): void {
    this.#heartbeats.delete(chassisId);
  }
}

function isOld(heardAtMs: number, nowMs: number): boolean {
  return nowMs - heardAtMs > HEARD_MS;
}
