/**
 * The state of the whole cluster after one event, folded from the log without a service.
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
import { type EventLog, ReadModel, type StoredEvent, type UnreadableMessage } from "@bioxen/kernel";
import { CommandEnd, EXIT_REFUSED, usage } from "./outcome.ts";
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

/**
 * Ends the command with an error unless the log has an event with sequence `seq`. With `orNext`, the sequence after the
 * last event is valid too.
 */
export async function requireInLog(
  log: Pick<EventLog, "lastSeq">,
  seq: number,
  orNext = false,
): Promise<void> {
  if (seq < 1) throw usage(`invalid sequence ${seq}: the first is 1`);
  const lastSeq = await log.lastSeq();
  if (seq <= (orNext ? lastSeq + 1 : lastSeq)) return;
  const end = lastSeq === 0 ? "the log is empty" : `the log ends at #${lastSeq}`;
  const message = `event #${seq} does not exist: ${end}`;
  const error = { code: "BAD_REQUEST", message, retryable: false, details: { lastSeq } };
  throw new CommandEnd(EXIT_REFUSED, message, error);
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
export async function stateAt(
  log: EventLog,
  atSeq: number,
  { stallMs, onProgress = () => undefined }: PastOptions,
): Promise<PastState> {
  if (atSeq !== 0) await requireInLog(log, atSeq);
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
