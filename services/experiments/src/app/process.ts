/**
 * Process manager of experiments: begins their VMs, stores the results, and ends the experiments.
 *
 * It is level-triggered and runs on the lease holder only. There is one step for an experiment as a whole, and one for
 * each VM that is under way (vm-steps.ts). The memory of a run is only which VMs are under way, and results that are
 * not stored yet. After a crash it is made again: a VM with a result that is not stored is still there.
 */
import {
  type ExperimentState,
  MAX_RECORDED_PER_EVENT,
  outcomeOf,
  type StartedExperiment,
} from "@bioxen/contracts";
import {
  causedBy,
  type EventFeed,
  invariant,
  messageOf,
  Reconciler,
  type ServicePorts,
  type StoredEvent,
  splitSubject,
} from "@bioxen/kernel";
import { experimentDecider, isComplete, isRunning } from "../domain/experiment.ts";
import { isPresent } from "../domain/vm-work.ts";
import { ExperimentRun } from "./run.ts";
import { VmSteps } from "./vm-steps.ts";
import type { ExperimentWorld } from "./world.ts";

/** Maximum number of VMs of one experiment that are under way: created, and not recorded and destroyed yet. */
export const MAX_UNDER_WAY = 256;
/**
 * Maximum number of VMs of one experiment that are under way and have no place. A few keep every place filled as soon as
 * it is free. More would only lengthen the line of the scheduler.
 */
export const MAX_WAITING = 16;
/**
 * Time in which the wakes of one experiment share a step, ms. Results of VMs that end together share an event, and an
 * experiment leaves at most 5 of them a second.
 */
const GATHER_MS = 200;

/** States of a VM without a place that asks for one. */
const WAITING: ReadonlySet<string> = new Set(["created", "pending", "destroyed"]);

export class ExperimentProcess {
  readonly #world: ExperimentWorld;
  readonly #runs = new Map<string, ExperimentRun>();
  readonly #steps: Reconciler;
  readonly #vmSteps: Reconciler;
  readonly #vms: VmSteps;

  constructor(world: ExperimentWorld, ports: ServicePorts) {
    const { clock, timers, logger } = ports;
    this.#world = world;
    this.#vms = new VmSteps(world, ports, {
      runOf: (experimentId) => this.#runs.get(experimentId),
      wake: (experimentId) => this.#steps.wake(experimentId),
    });
    const onError = (key: string, thrown: unknown) =>
      logger.warn({ key, err: thrown }, `a step of ${key} failed: ${messageOf(thrown)}`);
    this.#steps = new Reconciler({
      ...{ clock, timers, onError, gatherMs: GATHER_MS },
      step: async (experimentId) => {
        await this.#step(experimentId);
        return undefined;
      },
    });
    this.#vmSteps = new Reconciler({ clock, timers, onError, step: (vmId) => this.#vms.step(vmId) });
  }

  begin(feed: EventFeed): void {
    feed.onEvent((event) => this.#note(event));
  }

  /** Compares everything once. Called at the start of each term as lease holder, because another instance has acted. */
  takeOver(): void {
    const { experiments, vms, planned } = this.#world;
    this.#runs.clear();
    this.#vms.forget();
    for (const experimentId of experiments.ids()) this.#steps.wake(experimentId);
    for (const [vmId, vm] of vms.entries()) {
      if (vm.exists && vm.state !== "destroyed" && planned.find(vmId, this.#stateOf) !== undefined) {
        this.#vmSteps.wake(vmId);
      }
    }
  }

  async end(): Promise<void> {
    await Promise.all([this.#steps.stop(), this.#vmSteps.stop()]);
  }

  /** Returns why a VM waits, if its own state does not say it. */
  waitReasonOf(vmId: string): string | undefined {
    return this.#vms.waitReasonOf(vmId);
  }

  #stateOf = (experimentId: string): ExperimentState => this.#world.experiments.get(experimentId).state;

  #note({ envelope }: StoredEvent): void {
    const { kind, id } = splitSubject(envelope.subject);
    if (kind === "experiment") this.#steps.wake(id);
    if (kind !== "vm") return;
    const found = this.#world.planned.find(id, this.#stateOf);
    if (found === undefined) return;
    this.#vmSteps.wake(id);
    this.#steps.wake(found.own.experimentId);
  }

  async #step(experimentId: string): Promise<void> {
    const { acts } = this.#world;
    const before = this.#stateOf(experimentId);
    if (!acts() || !before.exists || before.endedAtMs !== null) {
      this.#runs.delete(experimentId);
      return;
    }
    const run = this.#runs.get(experimentId) ?? new ExperimentRun(this.#presentVms(experimentId, before));
    if (!this.#runs.has(experimentId)) {
      this.#runs.set(experimentId, run);
      this.#wakeAll(experimentId, before, run);
    }
    await this.#store(experimentId, before, run);
    const state = this.#stateOf(experimentId);
    if (!state.exists) return;
    if (isRunning(state)) this.#fill(experimentId, state, run);
    else if (run.turnToEnd()) this.#wakeAll(experimentId, state, run);
    if (run.underWay.size === 0) await this.#settle(experimentId, state, run);
  }

  /** Stores the results that have been collected, and wakes their VMs. */
  async #store(experimentId: string, { startedBy }: StartedExperiment, run: ExperimentRun): Promise<void> {
    for (let batch = run.nextBatch(MAX_RECORDED_PER_EVENT); batch !== undefined; ) {
      const command = { type: "record", ...batch } as const;
      await this.#react(experimentId, startedBy, command);
      const state = this.#stateOf(experimentId);
      run.stored(batch);
      for (const { index } of [...batch.recorded, ...batch.failed]) {
        if (state.exists) this.#vmSteps.wake(this.#world.planned.vm(experimentId, state, index).vmId);
      }
      batch = run.nextBatch(MAX_RECORDED_PER_EVENT);
    }
  }

  /** Begins further VMs, in order of their numbers, as far as the limits allow. */
  #fill(experimentId: string, state: StartedExperiment, run: ExperimentRun): void {
    const { vms, planned } = this.#world;
    let waiting = 0;
    for (const index of run.underWay) {
      const vm = vms.get(planned.vm(experimentId, state, index).vmId);
      if (outcomeOf(state, index) === null && (!vm.exists || WAITING.has(vm.state))) waiting += 1;
    }
    while (run.next < state.vmCount && run.underWay.size < MAX_UNDER_WAY && waiting < MAX_WAITING) {
      const index = run.next;
      run.next += 1;
      if (outcomeOf(state, index) !== null || run.underWay.has(index)) continue;
      run.underWay.add(index);
      waiting += 1;
      this.#vmSteps.wake(planned.vm(experimentId, state, index).vmId);
    }
  }

  /** Records the end of the experiment once all its VMs were looked at, and none is left that must go. */
  async #settle(experimentId: string, state: StartedExperiment, run: ExperimentRun): Promise<void> {
    if (isRunning(state) && !isComplete(state)) return;
    const isKept = isRunning(state) && state.file["keep"] === true;
    const left = isKept ? [] : this.#presentVms(experimentId, state);
    if (left.length > 0) {
      for (const index of left) run.underWay.add(index);
      this.#wakeAll(experimentId, state, run);
      return;
    }
    const cause = this.#world.experiments.get(experimentId).last;
    invariant(cause !== undefined, "an experiment has an event", { experimentId });
    await this.#react(experimentId, cause, { type: "settle", isCleared: true });
  }

  async #react(
    experimentId: string,
    cause: StartedExperiment["startedBy"],
    command: Parameters<typeof experimentDecider.decide>[1],
  ): Promise<void> {
    const { experiments, acts } = this.#world;
    const decide = (state: ExperimentState) => experimentDecider.decide(state, command);
    const executed = await experiments.react(experimentId, causedBy(cause), decide, acts);
    invariant(executed.ok, "the commands of a process are never rejected", { experimentId });
  }

  /** Returns the numbers of the VMs of an experiment that exist and are not destroyed. */
  #presentVms(experimentId: string, state: StartedExperiment): number[] {
    const { vms, planned } = this.#world;
    const present: number[] = [];
    for (let index = 0; index < state.vmCount; index += 1) {
      const own = planned.vm(experimentId, state, index);
      if (isPresent(own, vms.get(own.vmId))) present.push(index);
    }
    return present;
  }

  #wakeAll(experimentId: string, state: StartedExperiment, { underWay }: ExperimentRun): void {
    const { planned } = this.#world;
    for (const index of underWay) this.#vmSteps.wake(planned.vm(experimentId, state, index).vmId);
  }
}
