/**
 * Golden events: one stored event of every type and version ever written, byte for byte, and what it is read as today.
 *
 * `golden/<type>.json` is never changed: there are logs like it. `golden/read/<type>.json` says what today's code makes of
 * it: the event in its newest version, and the state it leads to. A new version changes that for the old ones, on
 * purpose and in a reviewed diff; anything else that changes it breaks somebody's log.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  type AggregateKind,
  alertFold,
  chassisFold,
  decodeEvent,
  drainFold,
  EVENT_TYPES,
  eventSubject,
  ledgerFold,
  quotaFold,
  vmFold,
} from "@bioxen/contracts";
import { type EventEnvelope, type Fold, foldAll, positionOf, type StoredEvent } from "@bioxen/kernel";

const FOLDER = fileURLToPath(new URL("../golden/", import.meta.url));

export const goldenPath = (type: string) => `${FOLDER}${type}.json`;
export const readingPath = (type: string) => `${FOLDER}read/${type}.json`;

/** Every type in every version: what must have a golden event. */
export const ALL_TYPES: readonly string[] = Object.keys(EVENT_TYPES).sort();

/** Types that have a golden event. */
export function goldenTypes(): string[] {
  return readdirSync(FOLDER, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name.replace(/\.json$/, ""))
    .sort();
}

/** The stream sequence golden events are read under; the bytes know none. */
const GOLDEN_SEQ = 1_000;

const AGGREGATES: Readonly<Record<AggregateKind, { readonly first: string; readonly fold: Fold<unknown> }>> =
  {
    vm: { first: "bioxen.vm.created.v1", fold: vmFold as Fold<unknown> },
    ledger: { first: "bioxen.ledger.opened.v1", fold: ledgerFold as Fold<unknown> },
    drain: { first: "bioxen.drain.started.v1", fold: drainFold as Fold<unknown> },
    quota: { first: "bioxen.quota.set.v1", fold: quotaFold as Fold<unknown> },
    alert: { first: "bioxen.alert.rule-set.v1", fold: alertFold as Fold<unknown> },
    chassis: { first: "bioxen.chassis.registered.v1", fold: chassisFold as Fold<unknown> },
  };

export interface GoldenReading {
  /** Of the stored bytes. */
  readonly digest: string;
  readonly event: EventEnvelope;
  /** Of an aggregate to which only its first event and then this one happened. */
  readonly state: unknown;
}

function decoded(bytes: Uint8Array): StoredEvent {
  const { subject } = JSON.parse(new TextDecoder().decode(bytes)) as EventEnvelope;
  const [kind, id = ""] = subject.split("/");
  return decodeEvent(bytes, GOLDEN_SEQ, eventSubject(kind as AggregateKind, id));
}

/** What today's code makes of a stored event. Throws when it cannot be read. */
export function readingOf(bytes: Uint8Array): GoldenReading {
  const event = decoded(bytes);
  const { first, fold } = AGGREGATES[event.envelope.subject.split("/")[0] as AggregateKind];
  const before = event.envelope.type === first ? [] : [decoded(readFileSync(goldenPath(first)))];
  const state = fold.evolve(foldAll(fold, before), event.envelope, positionOf(event));
  return { digest: event.digest, event: event.envelope, state };
}
