/**
 * Deletes the time courses of VMs that were destroyed long ago.
 *
 * The log says when the latest incarnation of a VM was destroyed. An earlier incarnation was destroyed before the latest
 * one was created, so its course is kept until the time has passed since then. The course of a VM that is not in the log
 * is left alone: the log may not be the one that the course belongs to.
 */
import { COURSE_KEPT_MS, type VmState } from "@bioxen/contracts";
import {
  type Clock,
  type CourseName,
  type CourseStore,
  type Logger,
  messageOf,
  Reconciler,
  type StepResult,
  type Timers,
} from "@bioxen/kernel";

/** Time between two comparisons of the store with the log, ms: 6 h. Courses are kept for days. */
const SWEEP_EVERY_MS = 21_600_000;
/** The one key of the reconciler. */
const ALL = "all";

export interface CourseSweeperPorts {
  readonly courses: CourseStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
}

export class CourseSweeper {
  readonly #ports: CourseSweeperPorts;
  readonly #vmOf: (vmId: string) => VmState;
  readonly #acts: () => boolean;
  readonly #reconciler: Reconciler;
  readonly #ending = Promise.withResolvers<undefined>();

  constructor(ports: CourseSweeperPorts, vmOf: (vmId: string) => VmState, acts: () => boolean) {
    this.#ports = ports;
    this.#vmOf = vmOf;
    this.#acts = acts;
    const { clock, timers, logger } = ports;
    this.#reconciler = new Reconciler({
      clock,
      timers,
      step: () => Promise.race([this.#step(), this.#ending.promise]),
      onError: (_key, thrown) =>
        logger.warn({ err: thrown }, `could not look for old time courses: ${messageOf(thrown)}`),
    });
  }

  /** Begins to compare the store with the log. Call it when this instance becomes the lease holder. */
  begin(): void {
    this.#reconciler.wake(ALL);
  }

  /** Ends without the answers that the store still owes: on a lost connection they may never come. */
  end(): Promise<void> {
    this.#ending.resolve(undefined);
    return this.#reconciler.stop();
  }

  async #step(): Promise<StepResult> {
    if (!this.#acts()) return undefined;
    const { courses, clock } = this.#ports;
    for (const course of await courses.courses()) if (this.#isOver(course)) await courses.delete(course);
    return { dueAtMs: clock.nowMs() + SWEEP_EVERY_MS };
  }

  #isOver({ vmId, incarnation }: CourseName): boolean {
    const vm = this.#vmOf(vmId);
    if (!vm.exists || incarnation > vm.incarnation) return false;
    const isEarlier = incarnation < vm.incarnation;
    if (!isEarlier && vm.state !== "destroyed") return false;
    const destroyedBeforeMs = isEarlier ? vm.createdAtMs : vm.updatedAtMs;
    return this.#ports.clock.nowMs() - destroyedBeforeMs >= COURSE_KEPT_MS;
  }
}
