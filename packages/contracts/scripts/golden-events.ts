/**
 * Golden events: one stored event of every type and version that was ever written, byte for byte, and its present
 * reading.
 *
 * `golden/<type>.json` never changes, because real logs contain such events. `golden/read/<type>.json` has the reading:
 * the event as the present code reads it, in the newest version of its type, and the state after the event. A new
 * version of a type changes the readings of the older versions, on purpose and in a reviewed diff. Any other change of
 * a reading means that existing logs are read wrongly.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  type AggregateKind,
  aggregateOf,
  alertFold,
  chassisFold,
  decodeEvent,
  drainFold,
  EVENT_TYPES,
  eventSubject,
  experimentFold,
  ledgerFold,
  logFold,
  quotaFold,
  vmFold,
} from "@bioxen/contracts";
import { type EventEnvelope, type Fold, foldAll, positionOf, type StoredEvent } from "@bioxen/kernel";

const FOLDER = fileURLToPath(new URL("../golden/", import.meta.url));

export const goldenPath = (type: string) => `${FOLDER}${type}.json`;
export const readingPath = (type: string) => `${FOLDER}read/${type}.json`;

/** Every event type in every version; each must have a golden event. */
export const ALL_TYPES: readonly string[] = Object.keys(EVENT_TYPES).sort();

/** Returns the event types that have a golden event. */
export function goldenTypes(): string[] {
  return readdirSync(FOLDER, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name.replace(/\.json$/, ""))
    .sort();
}

/** The stream sequence that golden events are read with, because their stored bytes do not contain one. */
const GOLDEN_SEQ = 1_000;

const AGGREGATES: Readonly<Record<AggregateKind, { readonly first: string; readonly fold: Fold<unknown> }>> =
  {
    vm: { first: "bioxen.vm.created.v1", fold: vmFold as Fold<unknown> },
    ledger: { first: "bioxen.ledger.opened.v1", fold: ledgerFold as Fold<unknown> },
    drain: { first: "bioxen.drain.started.v1", fold: drainFold as Fold<unknown> },
    quota: { first: "bioxen.quota.set.v1", fold: quotaFold as Fold<unknown> },
    alert: { first: "bioxen.alert.rule-set.v1", fold: alertFold as Fold<unknown> },
    experiment: {
      first: "bioxen.experiment.started.v1",
      fold: experimentFold as Fold<unknown>,
    },
    log: { first: "bioxen.log.skipped.v1", fold: logFold as Fold<unknown> },
    chassis: { first: "bioxen.chassis.registered.v1", fold: chassisFold as Fold<unknown> },
  };

export interface GoldenReading {
  /** Digest of the stored bytes. */
  readonly digest: string;
  readonly event: EventEnvelope;
  /**
   * State of the event's aggregate after two events: the golden event that begins an aggregate of this kind, and this
   * event. If this event itself begins an aggregate, the state after this event alone.
   */
  readonly state: unknown;
}

function decoded(bytes: Uint8Array): StoredEvent {
  const { subject } = JSON.parse(new TextDecoder().decode(bytes)) as EventEnvelope;
  const { kind, id } = aggregateOf(subject);
  return decodeEvent(bytes, GOLDEN_SEQ, eventSubject(kind, id));
}

/** Returns the reading of a stored event by the present code. Throws when the event cannot be read. */
export function readingOf(bytes: Uint8Array): GoldenReading {
  const event = decoded(bytes);
  const { first, fold } = AGGREGATES[aggregateOf(event.envelope.subject).kind];
  const before = event.envelope.type === first ? [] : [decoded(readFileSync(goldenPath(first)))];
  const state = fold.evolve(foldAll(fold, before), event.envelope, positionOf(event));
  return { digest: event.digest, event: event.envelope, state };
}
