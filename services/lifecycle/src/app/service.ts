/**
 * The lifecycle service on its ports: owns every VM's stream, answers commands and queries, drives the processes.
 */
import {
  aggregateOf,
  type ChassisState,
  chassisFold,
  domainEventOf,
  ENDPOINTS,
  type Ledger,
  LedgersOfVms,
  ledgerFold,
  serve,
  type Vm,
  type VmState,
  vmFold,
} from "@bioxen/contracts";
import {
  Aggregates,
  type EventFeed,
  type Lease,
  messageOf,
  ReadModel,
  Reconciler,
  type ServicePorts,
  type StoredEvent,
} from "@bioxen/kernel";
import { VmCommands } from "./commands.ts";
import { GuestStateCommands } from "./guest-state-commands.ts";
import { DEFAULT_SWEEP, GuestStateSweeper, type SweepOptions } from "./guest-state-sweeper.ts";
import { MoveCommands } from "./move-commands.ts";
import { PreemptionCommands } from "./preemption-commands.ts";
import { VmQueries } from "./queries.ts";
import { VmProcess } from "./vm-process.ts";

export interface LifecycleOptions {
  /** When states of guests that nobody refers to are deleted. */
  readonly sweep?: SweepOptions;
}

export function createLifecycle(ports: ServicePorts, options: LifecycleOptions = {}) {
  const { log, clock, ids, bus, timers, logger, leases } = ports;
  const vms = new Aggregates<VmState>({
    kind: "vm",
    fold: vmFold,
    log,
    clock,
    ids,
    source: "/bioxen/lifecycle",
  });
  const ledgers = new ReadModel<Ledger>("ledger", ledgerFold);
  const ledgersOf = new LedgersOfVms();
  const chassis = new ReadModel<ChassisState>("chassis", chassisFold);
  let feed: EventFeed | undefined;
  const applied = async (seq: number) => feed?.applied(seq);
  const caughtUp = async () => applied(await log.lastSeq());
  const guestStates = new GuestStateCommands({ vms, chassis, caller: bus, blobs: ports.blobs, ids });
  const commandPorts = { vms, ledgers, chassis, caller: bus, clock, applied, caughtUp };
  const preemptions = new PreemptionCommands(commandPorts);
  const commands = new VmCommands(commandPorts, preemptions);
  const moves = new MoveCommands(commandPorts);
  const queries = new VmQueries(vms, log);
  let lease: Lease | undefined;
  const acts = () => lease?.token() !== undefined;
  const world = { vms, ledgers, ledgersOf, chassis, knownSeq: () => feed?.appliedSeq ?? 0 };
  const process = new VmProcess(world, clock, acts);
  const vmOf = (vmId: string) => vms.get(vmId).state;
  const sweeper = new GuestStateSweeper(ports, options.sweep ?? DEFAULT_SWEEP, vmOf, acts);
  const reconciler = new Reconciler({
    clock,
    timers,
    step: (vmId) => process.step(vmId),
    onError: (vmId, thrown) => logger.warn({ vmId, err: thrown }, `a step failed: ${messageOf(thrown)}`),
  });
  return {
    sinks: [vms, ledgers, chassis],
    endpoints: [
      serve(ENDPOINTS.vmCreate, (request, causation) => commands.create(request, causation)),
      serve(ENDPOINTS.vmStart, (request, causation) => commands.start(request, causation)),
      serve(ENDPOINTS.vmPause, commands.pause),
      serve(ENDPOINTS.vmResume, (request, causation) => commands.resume(request, causation)),
      serve(ENDPOINTS.vmStop, commands.stop),
      serve(ENDPOINTS.vmDestroy, commands.destroy),
      serve(ENDPOINTS.vmResize, (request, causation) => commands.resize(request, causation)),
      serve(ENDPOINTS.vmMigrate, (request, causation) => moves.migrate(request, causation)),
      serve(ENDPOINTS.vmCancelMigration, (request, causation) => moves.cancel(request, causation)),
      serve(ENDPOINTS.vmMove, (request, causation) => moves.move(request, causation)),
      serve(ENDPOINTS.vmExec, (request, causation) => commands.exec(request, causation)),
      serve(ENDPOINTS.vmSnapshot, (request, causation) => guestStates.snapshot(request, causation)),
      serve(ENDPOINTS.vmRestore, (request, causation) => guestStates.restore(request, causation)),
      serve(ENDPOINTS.vmFork, (request, causation) => guestStates.fork(request, causation)),
      serve(ENDPOINTS.vmDeleteSnapshot, (request, causation) =>
        guestStates.deleteSnapshot(request, causation),
      ),
      serve(ENDPOINTS.vmDefer, (request) => commands.defer(request)),
      serve(ENDPOINTS.vmPreempt, (request, causation) => preemptions.preempt(request, causation)),
      serve(ENDPOINTS.vmReinstate, (request, causation) => preemptions.reinstate(request, causation)),
      serve(ENDPOINTS.vmReport, (request, causation) => commands.report(request, causation)),
      serve(ENDPOINTS.vmGet, (request) => queries.get(request)),
      serve(ENDPOINTS.vmList, (request) => queries.list(request)),
      serve(ENDPOINTS.vmHistory, (request) => queries.history(request)),
    ],
    begin(live: EventFeed) {
      feed = live;
      feed.onEvent((event) => {
        const { kind, id } = aggregateOf(event.envelope.subject);
        if (kind === "ledger") ledgersOf.note(id, ledgers.get(id));
        for (const vmId of concernedVms(event)) reconciler.wake(vmId);
        sweeper.observe(event);
        if (event.envelope.type !== "bioxen.chassis.lost.v1") return;
        for (const [vmId, { state }] of vms.entries()) {
          if (state.exists && isOn(id, state)) reconciler.wake(vmId);
        }
      });
      const onHeld = () => {
        // Nobody asks before: those that came from a snapshot stay text until then.
        for (const [chassisId, ledger] of ledgers.entries()) ledgersOf.note(chassisId, ledger);
        for (const vmId of vms.ids()) reconciler.wake(vmId);
        sweeper.held();
      };
      lease = leases.contend("lifecycle", { onHeld, onLost: () => undefined });
    },
    async end() {
      await reconciler.stop();
      await sweeper.end();
      await lease?.release();
    },
  };
}

/** It lives there, or is to go there. */
function isOn(chassisId: string, { chassisId: present, migration }: Vm): boolean {
  return present === chassisId || migration?.target?.chassisId === chassisId;
}

/** The VMs an event may have given something to do. */
function concernedVms({ envelope }: StoredEvent): readonly string[] {
  const event = domainEventOf(envelope);
  if (event.kind === "vm") return [event.id];
  switch (event.type) {
    case "bioxen.ledger.reserved.v1":
      return event.data.reservations.map((r) => r.vmId);
    case "bioxen.ledger.released.v1":
    case "bioxen.ledger.expired.v1":
      return event.data.entries.map((e) => e.vmId);
    case "bioxen.ledger.resized.v1":
      return [event.data.vmId];
    default:
      return [];
  }
}
