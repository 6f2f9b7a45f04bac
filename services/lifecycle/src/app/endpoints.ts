/**
 * The endpoints of the lifecycle service, each with its handler.
 */
import { ENDPOINTS, type ServedEndpoint, serve, serveChange, serveEvent } from "@bioxen/contracts";
import type { VmCommands } from "./commands.ts";
import type { CourseQueries } from "./course-queries.ts";
import type { DeferCommand } from "./defer-command.ts";
import type { DivisionCommand } from "./division-command.ts";
import type { EnvironmentCommandHandler } from "./environment-command.ts";
import type { ExecCommand } from "./exec-command.ts";
import type { GuestStateCommands } from "./guest-state-commands.ts";
import type { LogCommands } from "./log-commands.ts";
import type { MoveCommands } from "./move-commands.ts";
import type { PreemptionCommands } from "./preemption-commands.ts";
import type { VmQueries } from "./queries.ts";
import type { ReportCommand } from "./report-command.ts";
import type { ResizeCommand } from "./resize-command.ts";

export interface Handlers {
  readonly commands: VmCommands;
  readonly resizes: ResizeCommand;
  readonly environments: EnvironmentCommandHandler;
  readonly execs: ExecCommand;
  readonly guestStates: GuestStateCommands;
  readonly moves: MoveCommands;
  readonly preemptions: PreemptionCommands;
  readonly deferrals: DeferCommand;
  readonly log: LogCommands;
  readonly reports: ReportCommand;
  readonly divisions: DivisionCommand;
  readonly queries: VmQueries;
  readonly courses: CourseQueries;
}

export function lifecycleEndpoints(handlers: Handlers): readonly ServedEndpoint[] {
  return [
    ...userEndpoints(handlers),
    ...serviceEndpoints(handlers),
    ...queryEndpoints(handlers),
    ...logEndpoints(handlers),
  ];
}

/** Public commands. */
function userEndpoints({
  commands,
  resizes,
  environments,
  execs,
  guestStates,
  moves,
}: Handlers): ServedEndpoint[] {
  return [
    serveEvent(ENDPOINTS.vmCreate, (request, causation) => commands.create(request, causation)),
    serveEvent(ENDPOINTS.vmStart, (request, causation) => commands.start(request, causation)),
    serveEvent(ENDPOINTS.vmPause, (request, causation) => commands.pause(request, causation)),
    serveChange(ENDPOINTS.vmResume, (request, causation) => commands.resume(request, causation)),
    serveEvent(ENDPOINTS.vmStop, (request, causation) => commands.stop(request, causation)),
    serveEvent(ENDPOINTS.vmDestroy, (request, causation) => commands.destroy(request, causation)),
    serveChange(ENDPOINTS.vmResize, (request, causation) => resizes.resize(request, causation)),
    serveChange(ENDPOINTS.vmMigrate, (request, causation) => moves.migrate(request, causation)),
    serveChange(ENDPOINTS.vmCancelMigration, (request, causation) => moves.cancel(request, causation)),
    serveEvent(ENDPOINTS.vmTransfer, (request, causation) => commands.transfer(request, causation)),
    serveChange(ENDPOINTS.vmSetEnvironment, (request, causation) =>
      environments.setEnvironment(request, causation),
    ),
    serve(ENDPOINTS.vmExec, (request, causation) => execs.exec(request, causation)),
    serveChange(ENDPOINTS.vmSnapshot, (request, causation) => guestStates.snapshot(request, causation)),
    serveChange(ENDPOINTS.vmRestore, (request, causation) => guestStates.restore(request, causation)),
    serve(ENDPOINTS.vmFork, (request, causation) => guestStates.fork(request, causation)),
    serveChange(ENDPOINTS.vmDeleteSnapshot, (request, causation) =>
      guestStates.deleteSnapshot(request, causation),
    ),
  ];
}

/** Commands of the scheduler and of agents. */
function serviceEndpoints({ reports, divisions, moves, preemptions, deferrals }: Handlers): ServedEndpoint[] {
  return [
    serve(ENDPOINTS.vmMove, (request, causation) => moves.move(request, causation)),
    serve(ENDPOINTS.vmDefer, (request) => deferrals.defer(request)),
    serve(ENDPOINTS.vmPreempt, (request, causation) => preemptions.preempt(request, causation)),
    serve(ENDPOINTS.vmReinstate, (request, causation) => preemptions.reinstate(request, causation)),
    serve(ENDPOINTS.vmReport, (request, causation) => reports.report(request, causation)),
    serve(ENDPOINTS.vmDivide, (request, causation) => divisions.divide(request, causation)),
  ];
}

function queryEndpoints({ queries, courses }: Handlers): ServedEndpoint[] {
  return [
    serve(ENDPOINTS.vmGet, (request, _causation, maxBytes) => queries.get(request, maxBytes)),
    serve(ENDPOINTS.vmList, (request, _causation, maxBytes) => queries.list(request, maxBytes)),
    serve(ENDPOINTS.vmHistory, (request, _causation, maxBytes) => queries.history(request, maxBytes)),
    serve(ENDPOINTS.courseGet, (request, causation, maxBytes) => courses.get(request, causation, maxBytes)),
  ];
}

function logEndpoints({ log }: Handlers): ServedEndpoint[] {
  return [
    serve(ENDPOINTS.logSkip, (request, causation) => log.skip(request, causation)),
    serve(ENDPOINTS.logUnskip, (request, causation) => log.unskip(request, causation)),
    serve(ENDPOINTS.logProblems, () => log.problems()),
  ];
}
