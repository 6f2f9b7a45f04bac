/**
 * The state of the whole cluster after one event, folded from the log without a service.
 */
import { type EventLog, ReadModel, type StoredEvent, type UnreadableMessage } from "@bioxen/kernel";
import { type ChassisState, chassisFold } from "./fold/chassis.ts";
import { type Ledger, ledgerFold } from "./fold/ledger.ts";
import { vmFold } from "./fold/vm.ts";
import type { VmState } from "./fold/vm-state.ts";
import { aggregateOf } from "./stored.ts";
import {
  type ChassisView,
  type LedgerView,
  PAST_LIVENESS,
  type VmView,
  viewOfChassis,
  viewOfLedger,
  viewOfVm,
} from "./views.ts";
import { walkReadable } from "./walk-log.ts";

export interface PastState {
  readonly atSeq: number;
  /** Time of the event at `atSeq`, epoch ms. */
  readonly atMs: number;
  /** All VMs in order of id, including destroyed ones. */
  readonly vms: readonly VmView[];
  readonly ledgers: readonly LedgerView[];
  readonly chassis: readonly ChassisView[];
}

export interface PastOptions {
  /** Longest time without a new event, ms. After at most twice that time the read ends with a TIMEOUT error. */
  readonly stallMs: number;
  readonly onProgress?: (seq: number) => void;
}

/**
 * Returns the state of the cluster after the event `atSeq`; with 0, before the first event. An aggregate with a message that cannot be read is in its
 * state before that message.
 */
export async function pastState(
  log: EventLog,
  atSeq: number,
  { stallMs, onProgress = () => undefined }: PastOptions,
): Promise<PastState> {
  const vms = new ReadModel<VmState>("vm", vmFold);
  const ledgers = new ReadModel<Ledger>("ledger", ledgerFold);
  const chassis = new ReadModel<ChassisState>("chassis", chassisFold);
  const models = new Map([vms, ledgers, chassis].map((model) => [model.kind, model]));
  let last: StoredEvent | undefined;
  const apply = (event: StoredEvent) => {
    models.get(aggregateOf(event.envelope.subject).kind)?.apply(event);
    last = event;
    onProgress(event.seq);
  };
  const onUnreadable = (message: UnreadableMessage) => {
    const [, , kind = "", id = ""] = message.streamSubject.split(".");
    models.get(kind)?.setAside(id, message);
  };
  const cause = await walkReadable(log, apply, { toSeq: atSeq, stallMs, onUnreadable });
  if (cause !== undefined) throw cause;
  return {
    atSeq,
    atMs: last === undefined ? 0 : Date.parse(last.envelope.time),
    vms: sorted(vms).flatMap(([id, vm]) => (vm.exists ? [viewOfVm(id, vm)] : [])),
    ledgers: sorted(ledgers).flatMap(([id, ledger]) => (ledger.open ? [viewOfLedger(id, ledger)] : [])),
    chassis: sorted(chassis).flatMap(([id, one]) =>
      one.registered ? [viewOfChassis(id, one, PAST_LIVENESS)] : [],
    ),
  };
}

function sorted<State>(model: ReadModel<State>): [string, State][] {
  return [...model.entries()].sort(([a], [b]) => (a < b ? -1 : 1));
}
