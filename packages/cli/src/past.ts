/**
 * The whole cluster as it was after one event: one pass over the log, no service asked.
 */
import {
  aggregateOf,
  type ChassisState,
  type ChassisView,
  chassisFold,
  type Ledger,
  type LedgerView,
  ledgerFold,
  PAST_LIVENESS,
  type VmState,
  type VmView,
  viewOfChassis,
  viewOfLedger,
  viewOfVm,
  vmFold,
} from "@bioxen/contracts";
import { type EventLog, ReadModel, type StoredEvent } from "@bioxen/kernel";
import { CommandEnd, EXIT_REFUSED, usage } from "./outcome.ts";
import { walkLog } from "./walk-log.ts";

export interface PastState {
  readonly atSeq: number;
  /** When the event at `atSeq` happened. */
  readonly atMs: number;
  /** In order of id; destroyed ones too, as the log still knows them. */
  readonly vms: readonly VmView[];
  readonly ledgers: readonly LedgerView[];
  readonly chassis: readonly ChassisView[];
}

/** Ends the command unless the log has event `seq`, or, with `orNext`, would give it to the next event. */
export async function requireInLog(log: EventLog, seq: number, orNext = false): Promise<void> {
  if (seq < 1) throw usage(`there is no event #${seq}: sequences begin with 1`);
  const lastSeq = await log.lastSeq();
  if (seq <= (orNext ? lastSeq + 1 : lastSeq)) return;
  const end = lastSeq === 0 ? "the log is empty" : `the log ends at #${lastSeq}`;
  const message = `there is no event #${seq}: ${end}`;
  const error = { code: "BAD_REQUEST", message, retryable: false, details: { lastSeq } };
  throw new CommandEnd(EXIT_REFUSED, message, error);
}

export async function stateAt(
  log: EventLog,
  atSeq: number,
  onProgress: (seq: number) => void = () => undefined,
): Promise<PastState> {
  await requireInLog(log, atSeq);
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
  const cause = await walkLog(log, apply, { toSeq: atSeq });
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
