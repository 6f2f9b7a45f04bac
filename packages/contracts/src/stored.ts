/**
 * The typed view of a stored event: the aggregate that its subject names, and the event itself.
 *
 * `decodeEvent` has already validated the data of a stored event and converted it to the newest version. The two
 * functions of this file only give the event its TypeScript type; they validate nothing again.
 */
import { type EventEnvelope, splitSubject } from "@bioxen/kernel";
import type { AlertEvent } from "./events/alert.ts";
import type { ChassisEvent } from "./events/chassis.ts";
import type { DrainEvent } from "./events/drain.ts";
import type { ExperimentEvent } from "./events/experiment.ts";
import type { LedgerEvent } from "./events/ledger.ts";
import type { LogEvent } from "./events/log.ts";
import type { QuotaEvent } from "./events/quota.ts";
import type { VmEvent } from "./events/vm.ts";
import type { AggregateKind } from "./subjects.ts";

/** The name of one aggregate: its kind, and its id within that kind. */
export interface AggregateRef<Kind extends AggregateKind = AggregateKind> {
  readonly kind: Kind;
  readonly id: string;
}

interface EventsOfKind {
  readonly vm: VmEvent;
  readonly ledger: LedgerEvent;
  readonly chassis: ChassisEvent;
  readonly drain: DrainEvent;
  readonly quota: QuotaEvent;
  readonly alert: AlertEvent;
  readonly log: LogEvent;
  readonly experiment: ExperimentEvent;
}

/**
 * An event with its aggregate. `kind` narrows the type to the events of that kind of aggregate; `type` narrows it to
 * one event type and its data.
 */
export type DomainEvent = {
  [Kind in AggregateKind]: AggregateRef<Kind> & EventsOfKind[Kind];
}[AggregateKind];

/** Returns the aggregate that the `subject` of an event envelope names: `vm/cell-1` is `{kind: "vm", id: "cell-1"}`. */
export function aggregateOf(subject: string): AggregateRef {
  return splitSubject(subject) as AggregateRef;
}

/**
 * Returns the event of an envelope, with its aggregate. The envelope must come from `decodeEvent` or from a decider.
 */
export function domainEventOf({ subject, type, data }: EventEnvelope): DomainEvent {
  return { ...aggregateOf(subject), type, data } as DomainEvent;
}
