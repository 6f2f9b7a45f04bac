/**
 * Selects events of the log by VM, type, principal and time.
 */
import type { EventEnvelope } from "@bioxen/kernel";
import { EVENT_TYPES } from "./codec.ts";

/** Types of events about stored states of guests: one for each VM and minute. */
const CHECKPOINT_TYPES: ReadonlySet<string> = new Set([
  "bioxen.vm.checkpointed.v1",
  "bioxen.vm.checkpoint-lost.v1",
]);

export interface EventFilter {
  /** Ids of VMs; undefined: events of every aggregate. */
  readonly vm?: readonly string[] | undefined;
  /** Names of types of {@link EVENT_TYPE_NAMES}; undefined: all types. */
  readonly type?: readonly string[] | undefined;
  /** The principal that decided the event; undefined: any. */
  readonly principal?: string | undefined;
  /** Earliest time of an event, epoch ms. */
  readonly since?: number | undefined;
  /** False: leaves out the checkpoints of guests. */
  readonly checkpoints: boolean;
}

export function isSelected({ type, subject, time, principal }: EventEnvelope, filter: EventFilter): boolean {
  if (filter.principal !== undefined && principal !== filter.principal) return false;
  if (!filter.checkpoints && CHECKPOINT_TYPES.has(type)) return false;
  if (filter.vm !== undefined && !filter.vm.some((vmId) => subject === `vm/${vmId}`)) return false;
  if (filter.type !== undefined && !filter.type.some((name) => namesOf(type).includes(name))) return false;
  return filter.since === undefined || Date.parse(time) >= filter.since;
}

/** Returns the names by which an option can name a type: with or without prefix and version, or only its aggregate. */
function namesOf(type: string): string[] {
  const short = type.replace(/^bioxen\.|\.v\d+$/g, "");
  const [aggregate = "", name = ""] = short.split(".");
  return [type, short, aggregate, name];
}

/** All names by which a filter can name a type of event. */
export const EVENT_TYPE_NAMES: readonly string[] = [...new Set(Object.keys(EVENT_TYPES).flatMap(namesOf))];

/** Returns true for a name of {@link EVENT_TYPE_NAMES}, and for the type of a later release. */
export function isEventTypeName(name: string): boolean {
  return EVENT_TYPE_NAMES.includes(name) || /^bioxen\.\w+\.[\w-]+\.v\d+$/.test(name);
}
