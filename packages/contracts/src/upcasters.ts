/**
 * The functions that convert each superseded version of an event to the next version.
 *
 * A stored event never changes; an old version is converted when it is read. `decodeEvent` validates the bytes against
 * the schema of their version and then applies these functions one by one. All other code therefore knows the newest
 * version only. Such a function is pure and never fails. It uses only the old event: a field that the old event lacks
 * becomes "unknown", never a guess. docs/adding-an-event.md is the checklist.
 */
import { type EventEnvelope, invariant } from "@bioxen/kernel";
import type * as z from "zod";
import type { SUPERSEDED_VM_EVENTS, VM_EVENTS } from "./events/vm.ts";

type Data<Schema extends z.ZodType> = z.infer<Schema>;

/** For each superseded type, the function that converts its data to the next version. */
export const UPCASTERS = {
  /** Version 1 recorded neither the chassis nor the cause of the displacement. */
  "bioxen.vm.displaced.v1": ({
    fence,
    reason,
  }: Data<(typeof SUPERSEDED_VM_EVENTS)["bioxen.vm.displaced.v1"]>): Data<
    (typeof VM_EVENTS)["bioxen.vm.displaced.v2"]
  > => ({ fence, chassisId: null, code: "RESERVATION_ENDED", reason }),
} as const;

const STEPS: ReadonlyMap<string, (data: never) => unknown> = new Map(Object.entries(UPCASTERS));

/**
 * Returns true for an event type that has a newer version. A superseded type stays readable forever and is never
 * written again.
 */
export function isSuperseded(type: string): boolean {
  return STEPS.has(type);
}

/** Returns the type of the next version: `bioxen.vm.displaced.v1` → `bioxen.vm.displaced.v2`. */
export function nextVersionOf(type: string): string {
  const version = /^(.+\.v)(\d+)$/.exec(type);
  invariant(version !== null, "an event type ends with its version", { type });
  return `${version[1]}${Number(version[2]) + 1}`;
}

/** Returns the event in the newest version of its type; returns the same object if it already has that version. */
export function upcast(envelope: EventEnvelope): EventEnvelope {
  const step = STEPS.get(envelope.type);
  if (step === undefined) return envelope;
  return upcast({ ...envelope, type: nextVersionOf(envelope.type), data: step(envelope.data as never) });
}
