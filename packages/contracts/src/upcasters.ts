/**
 * The steps from each superseded version of an event to the next version.
 *
 * A stored event never changes; an old version is converted when it is read. `decodeEvent` validates the bytes against
 * the schema of their version and then applies the steps one by one. Folds, processes and readers therefore know the
 * newest version only. A step is pure and total. It uses only the old event, and a field that the old event does not
 * have becomes "unknown", never a guess. docs/adding-an-event.md is the checklist.
 */
import { type EventEnvelope, invariant } from "@bioxen/kernel";
import type { z } from "zod";
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

/** True for a version with a successor. Such a version is read forever and never written again. */
export function isSuperseded(type: string): boolean {
  return STEPS.has(type);
}

/** The type of the next version: `bioxen.vm.displaced.v1` → `bioxen.vm.displaced.v2`. */
export function nextVersionOf(type: string): string {
  const version = /^(.+\.v)(\d+)$/.exec(type);
  invariant(version !== null, "an event type ends with its version", { type });
  return `${version[1]}${Number(version[2]) + 1}`;
}

/** The event in the newest version of its type; the same object when it already has that version. */
export function upcast(envelope: EventEnvelope): EventEnvelope {
  const step = STEPS.get(envelope.type);
  if (step === undefined) return envelope;
  return upcast({ ...envelope, type: nextVersionOf(envelope.type), data: step(envelope.data as never) });
}
