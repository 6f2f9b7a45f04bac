/**
 * The lifecycle service. It owns the stream of every VM, answers commands and queries, drives the VMs, and deletes
 * stored guest states without a reference.
 */
import {
  aggregateOf,
  type ChassisState,
  chassisFold,
  type Ledger,
  LedgersOfVms,
  type LogState,
  ledgerFold,
  logFold,
  type Owners,
  ownersIn,
  refusedToTenant,
  StatePages,
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
} from "@bioxen/kernel";
import type { CommandPorts } from "./command-ports.ts";
import { VmCommands } from "./commands.ts";
import { CourseQueries } from "./course-queries.ts";
import { CourseSweeper } from "./course-sweeper.ts";
import { DeferCommand } from "./defer-command.ts";
import { DivisionCommand } from "./division-command.ts";
import { type Handlers, lifecycleEndpoints } from "./endpoints.ts";
import { EnvironmentCommandHandler } from "./environment-command.ts";
import { ExecCommand } from "./exec-command.ts";
import { GuestStateCommands } from "./guest-state-commands.ts";
import { DEFAULT_SWEEP, GuestStateSweeper, type SweepOptions } from "./guest-state-sweeper.ts";
import { Lineages } from "./lineages.ts";
import { LogCommands } from "./log-commands.ts";
import { MoveCommands } from "./move-commands.ts";
import { PreemptionCommands } from "./preemption-commands.ts";
import { VmQueries } from "./queries.ts";
import { Releases } from "./releases.ts";
import { ReportCommand } from "./report-command.ts";
import { ResizeCommand } from "./resize-command.ts";
import { VmProcess } from "./vm-process.ts";
import { concernedVms } from "./wake-ups.ts";

export interface LifecycleOptions {
  /** When stored guest states without a reference are deleted. */
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
    refusalOf: refusedToTenant,
  });
  const ledgers = new ReadModel<Ledger>("ledger", ledgerFold);
  const ledgersOf = new LedgersOfVms();
  const chassis = new ReadModel<ChassisState>("chassis", chassisFold);
  let feed: EventFeed | undefined;
  const applied = async (seq: number) => feed?.applied(seq);
  const caughtUp = async () => applied(await log.lastSeq());
  const knownSeq = () => feed?.appliedSeq ?? 0;
  const queries = new VmQueries(
    vms,
    log,
    new StatePages({ states: vms, log, appliedSeq: knownSeq, applied }),
  );
  const skips = logStates(ports);
  const logCommands = new LogCommands({
    skips,
    log,
    applied,
    unreadable: () => feed?.unreadable() ?? [],
    reread: async (subject) => feed?.rereadOf(subject),
  });
  const commandPorts = { vms, ledgers, chassis, caller: bus, clock, log, knownSeq, applied, caughtUp };
  const courses = new CourseQueries({ vms, courses: ports.courses, logger });
  const lineages = new Lineages(vms);
  const handlers = { ...handlersOf(commandPorts, ports, lineages), queries, courses, log: logCommands };
  let lease: Lease | undefined;
  const acts = () => lease?.token() !== undefined;
  const world = { vms, ledgers, ledgersOf, chassis, knownSeq };
  const process = new VmProcess(world, clock, acts);
  const releases = new Releases(commandPorts, acts);
  const vmOf = (vmId: string) => vms.get(vmId).state;
  const sweeper = new GuestStateSweeper(ports, options.sweep ?? DEFAULT_SWEEP, vmOf, acts);
  const oldCourses = new CourseSweeper(ports, vmOf, acts);
  const reconciler = new Reconciler({
    clock,
    timers,
    step: async (vmId) => (await process.step(vmId)) ?? releases.step(vmId),
    onError: (vmId, thrown) => logger.warn({ vmId, err: thrown }, `a step failed: ${messageOf(thrown)}`),
  });
  return {
    sinks: [vms, ledgers, chassis, skips],
    endpoints: lifecycleEndpoints(handlers),
    owners: ownersOf(vms),
    begin(live: EventFeed) {
      feed = live;
      feed.onEvent((event) => {
        const { kind, id } = aggregateOf(event.envelope.subject);
        if (kind === "ledger") ledgersOf.note(id, ledgers.get(id));
        if (kind === "vm") lineages.note(id, vmOf(id));
        for (const vmId of concernedVms(event, vms)) reconciler.wake(vmId);
        sweeper.observe(event);
      });
      const onHeld = () => {
        // The ledgers are read only now, because the first read of a ledger from a snapshot parses the ledger, and a
        // follower needs no ledger.
        for (const [chassisId, ledger] of ledgers.entries()) ledgersOf.note(chassisId, ledger);
        for (const vmId of vms.ids()) reconciler.wake(vmId);
        sweeper.compareAll();
        oldCourses.begin();
      };
      lease = leases.contend("lifecycle", { onHeld, onLost: () => undefined });
    },
    async end() {
      await reconciler.stop();
      await sweeper.end();
      await oldCourses.end();
      await lease?.release();
    },
  };
}

function logStates({ log, clock, ids }: ServicePorts): Aggregates<LogState> {
  return new Aggregates({ kind: "log", fold: logFold, log, clock, ids, source: "/bioxen/lifecycle" });
}

/**
 * Returns the owners of VMs. Each question reads the newest events of the VM: another instance may have created it, or
 * given it to another owner. An unreadable VM keeps its last known owner.
 */
function ownersOf(vms: Aggregates<VmState>): Owners {
  const known = ownersIn((vmId) => vms.get(vmId).state);
  return {
    ...known,
    async ownerOf(vmId) {
      if (vms.asideOf(vmId) === undefined) await vms.refresh(vmId);
      return known.knownOwnerOf(vmId);
    },
  };
}

function handlersOf(
  commandPorts: CommandPorts,
  { blobs, ids }: ServicePorts,
  lineages: Lineages,
): Omit<Handlers, "queries" | "courses" | "log"> {
  const { vms, chassis, caller } = commandPorts;
  const preemptions = new PreemptionCommands(commandPorts);
  return {
    commands: new VmCommands(commandPorts, preemptions),
    resizes: new ResizeCommand(commandPorts),
    environments: new EnvironmentCommandHandler(commandPorts),
    execs: new ExecCommand(commandPorts),
    guestStates: new GuestStateCommands({ vms, chassis, caller, blobs, ids }),
    moves: new MoveCommands(commandPorts),
    preemptions,
    deferrals: new DeferCommand(commandPorts),
    reports: new ReportCommand({ ...commandPorts, blobs }),
    divisions: new DivisionCommand({ ...commandPorts, blobs, lineages }),
  };
}
