/**
 * The folds behind a snapshot: one for every kind of aggregate, because every service starts from the same snapshot.
 *
 * The writer runs inside a service that folds most kinds itself, and uses those folds. A second fold of all VMs would
 * double the memory of that process and the time of its start. Only the remaining kinds are folded here.
 */
import {
  type AggregateKind,
  alertFold,
  chassisFold,
  drainFold,
  experimentFold,
  ledgerFold,
  logFold,
  quotaFold,
  vmFold,
} from "@bioxen/contracts";
import { type EventSink, type Fold, ReadModel } from "@bioxen/kernel";

const FOLDS: Readonly<Record<AggregateKind, Fold<unknown>>> = {
  vm: vmFold as Fold<unknown>,
  ledger: ledgerFold as Fold<unknown>,
  chassis: chassisFold as Fold<unknown>,
  drain: drainFold as Fold<unknown>,
  quota: quotaFold as Fold<unknown>,
  alert: alertFold as Fold<unknown>,
  log: logFold as Fold<unknown>,
  experiment: experimentFold as Fold<unknown>,
};

/** Returns `sinks`, and a read model for each kind of aggregate that none of them folds. */
export function withEveryKind(sinks: readonly EventSink[]): readonly EventSink[] {
  const folded = new Set(sinks.map(({ kind }) => kind));
  const others = Object.entries(FOLDS).filter(([kind]) => !folded.has(kind));
  return [...sinks, ...others.map(([kind, fold]) => new ReadModel(kind, fold))];
}
