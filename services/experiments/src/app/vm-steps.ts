/**
 * The step of one VM of an experiment: it does the one thing that is due (vm-work.ts).
 *
 * The id of each command follows from the experiment, the number of the VM and what the command is for. A command that
 * is sent again after a crash, or that arrives late, therefore gets its first outcome and does nothing twice.
 */
import {
  callEndpoint,
  callFailure,
  ENDPOINTS,
  isFinalRefusal,
  type RequestOf,
  type StartedExperiment,
  type Vm,
} from "@bioxen/contracts";
import { causedBy, type ReplyError, type ServicePorts, type StepResult } from "@bioxen/kernel";
import { experimentDecider } from "../domain/experiment.ts";
import { type OwnVm, type VmWork, vmWorkOf } from "../domain/vm-work.ts";
import { courseResult } from "./course-result.ts";
import type { ExperimentRun } from "./run.ts";
import type { ExperimentWorld } from "./world.ts";

/** Deadline of one call to lifecycle, ms. The call appends a single event. */
const CALL_TIMEOUT_MS = 10_000;
/** Time after which a start that found no room or no quota is tried again, ms. No event says when it would succeed. */
const START_AGAIN_MS = 10_000;
/** Time between two looks at a course that is not complete, ms. Its agent stores rows within 5 s. */
const COURSE_AGAIN_MS = 1_000;
/** Number of looks at a course that is not complete: a minute. After it, the rows are lost with their agent. */
const MAX_COURSE_LOOKS = 60;
/** Refusals of a start that end by themselves, when resources are freed or a chassis arrives. */
const ENDS_BY_ITSELF: ReadonlySet<string> = new Set(["INFEASIBLE", "QUOTA_EXCEEDED", "CAPACITY_EXCEEDED"]);
/** Refusals that mean that this instance has not read the newest event of the VM yet. That event wakes the VM. */
const IS_STALE: ReadonlySet<string> = new Set(["VM_ALREADY_EXISTS", "VM_NOT_FOUND", "INVALID_TRANSITION"]);

export interface Runs {
  /** Returns the run of an experiment; undefined when it has ended or was not looked at yet. */
  readonly runOf: (experimentId: string) => ExperimentRun | undefined;
  readonly wake: (experimentId: string) => void;
}

interface Step {
  readonly own: OwnVm;
  readonly state: StartedExperiment;
}

export class VmSteps {
  readonly #world: ExperimentWorld;
  readonly #ports: ServicePorts;
  readonly #runs: Runs;
  /** By VM id, why a start was refused, and how often. */
  readonly #refusals = new Map<string, { readonly reason: string; readonly tries: number }>();
  /** By VM id, the number of looks at its course. */
  readonly #looks = new Map<string, number>();

  constructor(world: ExperimentWorld, ports: ServicePorts, runs: Runs) {
    this.#world = world;
    this.#ports = ports;
    this.#runs = runs;
  }

  forget(): void {
    this.#refusals.clear();
    this.#looks.clear();
  }

  waitReasonOf(vmId: string): string | undefined {
    return this.#refusals.get(vmId)?.reason;
  }

  async step(vmId: string): Promise<StepResult> {
    const { experiments, vms, planned, acts } = this.#world;
    const step = planned.find(vmId, (experimentId) => experiments.get(experimentId).state);
    if (!acts() || step === undefined) return undefined;
    const { own, state } = step;
    const run = this.#runs.runOf(own.experimentId);
    const work = vmWorkOf(state, own, vms.get(vmId));
    // A running experiment begins a VM only when its turn has come.
    if (state.status === "running" && run?.underWay.has(own.index) !== true && !isCleaning(work))
      return undefined;
    if (work.kind !== "start") this.#refusals.delete(vmId);
    return this.#carryOut(work, step, run);
  }

  async #carryOut(work: VmWork, step: Step, run: ExperimentRun | undefined): Promise<StepResult> {
    const { own } = step;
    switch (work.kind) {
      case "done":
        this.#looks.delete(own.vmId);
        if (run?.underWay.delete(own.index) === true) this.#runs.wake(own.experimentId);
        return undefined;
      case "wait":
        return undefined;
      case "create":
        return this.#create(work.incarnation, step);
      case "start":
        return this.#start(step);
      case "collect":
        return run === undefined ? undefined : this.#collect(work.incarnation, step, run);
      case "fail":
        run?.fail({ index: own.index, incarnation: work.incarnation, reason: work.reason });
        this.#runs.wake(own.experimentId);
        return undefined;
      case "destroy":
        return this.#destroy(work.incarnation, step);
      case "foreign":
        return this.#giveUp(work.reason, step);
    }
  }

  async #create(incarnation: number, step: Step): Promise<StepResult> {
    const { own, state } = step;
    const { file, vm } = this.#world.planned.of(state);
    const { record, untilMinute } = file;
    const request: RequestOf<"vmCreate"> = {
      ...vm(own.index).create,
      timeScale: "max",
      record,
      until: { simMinutes: untilMinute, then: "stop" },
    };
    const reply = await callEndpoint(this.#ports.bus, ENDPOINTS.vmCreate, request, {
      ...this.#calling(step, `create.${incarnation}`),
    });
    if (reply.ok || IS_STALE.has(reply.error.code)) return undefined;
    const { code, message } = failedFinally(ENDPOINTS.vmCreate.subject, reply.error);
    return this.#giveUp(`${own.vmId} could not be created: ${code}: ${message}`, step);
  }

  async #start(step: Step): Promise<StepResult> {
    const { vmId } = step.own;
    const { version } = this.#world.vms.get(vmId) as Vm;
    const { tries = 0 } = this.#refusals.get(vmId) ?? {};
    const calling = this.#calling(step, `start.${version}.${tries}`);
    const reply = await callEndpoint(this.#ports.bus, ENDPOINTS.vmStart, { vmId }, calling);
    if (reply.ok || IS_STALE.has(reply.error.code)) return undefined;
    const { code, message } = reply.error;
    if (!ENDS_BY_ITSELF.has(code)) failedFinally(ENDPOINTS.vmStart.subject, reply.error);
    this.#refusals.set(vmId, { reason: `${code}: ${message}`, tries: tries + 1 });
    return { dueAtMs: this.#ports.clock.nowMs() + START_AGAIN_MS };
  }

  async #collect(incarnation: number, step: Step, run: ExperimentRun): Promise<StepResult> {
    const { own, state } = step;
    const { vmId, index, experimentId } = own;
    if (run.hasResult(index)) return undefined;
    const { everyMinutes } = this.#world.planned.of(state).file.record;
    const of = { vmId, incarnation, everyMinutes, rowCount: state.rowsPerVm };
    const read = await courseResult(this.#ports.bus, of, causedBy(state.startedBy));
    if (read.kind === "complete") {
      run.record(read.columns, { index, ...read.result });
    } else {
      const looks = (this.#looks.get(vmId) ?? 0) + 1;
      this.#looks.set(vmId, looks);
      if (read.kind === "incomplete" && looks < MAX_COURSE_LOOKS) {
        return { dueAtMs: this.#ports.clock.nowMs() + COURSE_AGAIN_MS };
      }
      run.fail({ index, incarnation, reason: read.reason });
    }
    this.#runs.wake(experimentId);
    return undefined;
  }

  async #destroy(incarnation: number, step: Step): Promise<StepResult> {
    const { vmId } = step.own;
    const calling = this.#calling(step, `destroy.${incarnation}`);
    const reply = await callEndpoint(this.#ports.bus, ENDPOINTS.vmDestroy, { vmId }, calling);
    if (!reply.ok && !IS_STALE.has(reply.error.code)) {
      throw callFailure(ENDPOINTS.vmDestroy.subject, reply.error);
    }
    return undefined;
  }

  async #giveUp(reason: string, { own, state }: Step): Promise<undefined> {
    const { experiments, acts } = this.#world;
    await experiments.react(
      own.experimentId,
      causedBy(state.startedBy),
      (now) => experimentDecider.decide(now, { type: "give-up", reason }),
      acts,
    );
    this.#runs.wake(own.experimentId);
    return undefined;
  }

  #calling({ own, state }: Step, purpose: string) {
    return {
      timeoutMs: CALL_TIMEOUT_MS,
      causation: causedBy(state.startedBy),
      messageId: `experiment.${own.experimentId}.${state.startedSeq}.${own.index}.${purpose}`,
    };
  }
}

function isCleaning({ kind }: VmWork): boolean {
  return kind === "destroy" || kind === "done";
}

/** Returns a refusal that a retry would not change. Throws for every other one, so that the step is tried again. */
function failedFinally(subject: string, error: ReplyError): ReplyError {
  if (!isFinalRefusal(error)) throw callFailure(subject, error);
  return error;
}
