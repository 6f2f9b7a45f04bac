/**
 * From every version of an event that was ever written to the next.
 *
 * A stored event is never changed; what changes is how it is read. `decodeEvent` validates the bytes against the schema of
 * the version they are in, then goes up step by step, so that folds, processes and readers know the newest version
 * only. A step is pure and total: it may use what the old event says and nothing else, and what that does not say
 * becomes "not known", never a guess. docs/adding-an-event.md is the checklist.
 */
import { type EventEnvelope, invariant } from "@bioxen/kernel";
import type { z } from "zod";
import type { SUPERSEDED_VM_EVENTS, VM_EVENTS } from "./events/vm.ts";

type Data<Schema extends z.ZodType> = z.infer<Schema>;

/** By the type it takes: the data of the next version. The keys are every version that has a successor. */
export const UPCASTERS = {
  /** Which chassis it was, and what took the place away, was in nobody's words. */
  "bioxen.vm.displaced.v1": ({
    fence,
    reason,
  }: Data<(typeof SUPERSEDED_VM_EVENTS)["bioxen.vm.displaced.v1"]>): Data<
    (typeof VM_EVENTS)["bioxen.vm.displaced.v2"]
  > => ({ fence, chassisId: null, code: "RESERVATION_ENDED", reason }),
} as const;

const STEPS: ReadonlyMap<string, (data: never) => unknown> = new Map(Object.entries(UPCASTERS));

/** True for a version that has a successor: read for ever, written no more. */
export function isSuperseded(type: string): boolean {
  return STEPS.has(type);
}

/** `bioxen.vm.displaced.v1` → `bioxen.vm.displaced.v2`. */
export function nextVersionOf(type: string): string {
  const version = /^(.+\.v)(\d+)$/.exec(type);
  invariant(version !== null, "an event type ends with its version", { type });
  return `${version[1]}${Number(version[2]) + 1}`;
}

/** The event in the newest version of its type; the very same object when it is in that already. */
export function upcast(envelope: EventEnvelope): EventEnvelope {
  const step = STEPS.get(envelope.type);
  if (step === undefined) return envelope;
  return upcast({ ...envelope, type: nextVersionOf(envelope.type), data: step(envelope.data as never) });
}
