/**
 * Poison: messages on event subjects that no service has written, and the operator who skips each of them.
 *
 * A poison message stops its aggregate until the skip. At rest nothing is unreadable at any process, so that all other
 * checks see a cluster that goes on as if the poison did not exist.
 */
import { ENDPOINTS, encodeEvent } from "@bioxen/contracts";
import { type EventEnvelope, isUnreadable } from "@bioxen/kernel";
import type { SimBus } from "./bus.ts";
import type { Faults } from "./faults.ts";
import type { SimLog } from "./log.ts";
import type { SimProcess } from "./processes.ts";
import type { Universe } from "./universe.ts";

/** Interval between two opportunities for poison, ms. */
const POISON_INTERVAL_MS = 1_000;
/** Longest time from one look of the operator to the next, ms. */
const LOOK_INTERVAL_MS = 3_000;
/** Longest wait of the operator for an answer, ms. */
const TIMEOUT_MS = 10_000;

const encoder = new TextEncoder();

/** The forms of poison, made from the newest event of the aggregate. */
const FORMS: readonly ((last: EventEnvelope, id: string) => Uint8Array)[] = [
  () => encoder.encode("{}"),
  () => new Uint8Array(),
  (last, id) => encodeEvent({ ...last, id }),
  (last, id) => encodeEvent({ ...last, id, aggregateversion: last.aggregateversion + 2 }),
  (last, id) =>
    encodeEvent({ ...last, id, aggregateversion: last.aggregateversion + 1, previoushash: "0".repeat(64) }),
  (last, id) => encoder.encode(JSON.stringify({ ...last, id, type: "bioxen.vm.vanished.v9" })),
];

export interface PoisonedCluster {
  readonly universe: Universe;
  readonly faults: Faults;
  readonly bus: SimBus;
  readonly log: SimLog;
}

/** Publishes poison now and then for `spanMs`, and lets an operator skip whatever is unreadable. */
export function poisonSometimes({ universe, faults, bus, log }: PoisonedCluster, spanMs: number): void {
  for (let atMs = POISON_INTERVAL_MS; atMs < spanMs; atMs += POISON_INTERVAL_MS) {
    universe.after(atMs, () => {
      if (!faults.strikes("poison-published") || log.subjects.length === 0) return;
      const subject = universe.pick(log.subjects);
      const last = log.lastOf(subject);
      if (last === undefined || isUnreadable(last)) return;
      log.putBytes(subject, universe.pick(FORMS)(last.envelope, `poison-${atMs}`));
    });
  }
  let calls = 0;
  const call = (name: "logProblems" | "logSkip", payload: object) => {
    calls += 1;
    return bus.call(ENDPOINTS[name].subject, payload, {
      timeoutMs: TIMEOUT_MS,
      messageId: `operator-${calls}`,
    });
  };
  const look = async () => {
    const problems = await call("logProblems", {}).catch(() => undefined);
    if (problems?.ok === true) {
      const { first } = problems["unreadable"] as { first: readonly { readonly seq: number }[] };
      for (const { seq } of first) {
        const skipped = await call("logSkip", { seq, reason: "poison", by: "operator", force: true }).catch(
          () => undefined,
        );
        if (skipped?.ok === true && skipped["changed"] === true) faults.count("poison-skipped");
      }
    }
    universe.after(universe.between(1, LOOK_INTERVAL_MS), () => void look());
  };
  universe.after(universe.between(1, LOOK_INTERVAL_MS), () => void look());
}

/** Checks that no process has an unreadable message left. */
export function checkNothingUnreadable(
  processes: readonly SimProcess[],
  problem: (text: string) => void,
): void {
  for (const { kind, unreadable } of processes) {
    for (const { seq, streamSubject, why } of unreadable) {
      problem(`${kind} still cannot read event ${seq} on ${streamSubject}: ${why}`);
    }
  }
}
