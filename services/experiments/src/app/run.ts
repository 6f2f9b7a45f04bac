/**
 * What the lease holder remembers of one experiment that runs: the VMs that are under way, and the results that are not
 * stored yet. Nothing of it outlives the process.
 */
import type { CourseColumn } from "@bioxen/contracts";
import type { FailedVm, RecordedVm } from "../domain/experiment.ts";

/** Results that one event stores: those with the same columns. */
export interface Batch {
  readonly columns: readonly CourseColumn[];
  readonly recorded: readonly RecordedVm[];
  readonly failed: readonly FailedVm[];
}

interface Collected {
  readonly columns: readonly CourseColumn[];
  readonly result: RecordedVm;
}

export class ExperimentRun {
  /** Numbers of the VMs that may need a step. */
  readonly underWay: Set<number>;
  /** Number of the first VM that was not looked at yet. */
  next = 0;
  readonly #recorded = new Map<number, Collected>();
  readonly #failed = new Map<number, FailedVm>();
  #isEnding = false;

  constructor(present: Iterable<number>) {
    this.underWay = new Set(present);
  }

  hasResult(index: number): boolean {
    return this.#recorded.has(index) || this.#failed.has(index);
  }

  record(columns: readonly CourseColumn[], result: RecordedVm): void {
    this.#recorded.set(result.index, { columns, result });
  }

  fail(vm: FailedVm): void {
    this.#failed.set(vm.index, vm);
  }

  /** Returns at most `limit` results with the columns of the first one; undefined when none is left. */
  nextBatch(limit: number): Batch | undefined {
    const [first] = this.#recorded.values();
    if (first === undefined && this.#failed.size === 0) return undefined;
    const columns = first?.columns ?? [];
    const text = JSON.stringify(columns);
    const same = [...this.#recorded.values()].filter((one) => JSON.stringify(one.columns) === text);
    const recorded = same.slice(0, limit).map(({ result }) => result);
    return { columns, recorded, failed: [...this.#failed.values()].slice(0, limit - recorded.length) };
  }

  stored({ recorded, failed }: Batch): void {
    for (const { index } of recorded) this.#recorded.delete(index);
    for (const { index } of failed) this.#failed.delete(index);
  }

  /** Returns true once: when the experiment turns from running to its end. */
  turnToEnd(): boolean {
    const isFirst = !this.#isEnding;
    this.#isEnding = true;
    return isFirst;
  }
}
