/**
 * Computes the cells of a VM again, from its events alone, and compares them with its recorded course and stored states.
 *
 * A cell is computed from one stored minute to the next: the state of that minute is compared, and the cell continues from
 * it, as after a move. A state may have been stored before or after what acted on the cell at its minute, so it may equal
 * any of the states of that minute. A later cell that begins with a stored state of which no digest is known begins with
 * the last one.
 */
import { hash } from "node:crypto";
import { setImmediate, setTimeout } from "node:timers/promises";
import { createBasicDriver, createThreadedDriver, type ThreadModel } from "@bioxen/driver-basic";
import type { GuestChange, GuestEvent, GuestSpec, VmDriver } from "@bioxen/vm-driver";
import { Comparison, type RecordedCourse } from "./compared.ts";
import { NotReproducible, type RecordedCell, type RecordedState, type RecordedVm } from "./recorded-cells.ts";

/** Host time that one step gives to the cells, ms. */
const STEP_MS = 1_000;
/** Host time between two looks at cells in a thread of their own, ms. */
const LOOK_MS = 5;

export interface RerunOptions {
  /** Last minute that is computed and compared; default: all that is recorded. */
  readonly until?: number | undefined;
  readonly onMinute?: (minute: number) => void;
  /** Cell models beside the built-in one; with some, threads compute the cells. */
  readonly models?: readonly ThreadModel[] | undefined;
}

/** Returns what agreed, and the first difference. Throws {@link NotReproducible}, or the error of the driver. */
export async function rerun(
  vmId: string,
  recorded: RecordedVm,
  course: RecordedCourse | undefined,
  options: RerunOptions = {},
): Promise<Comparison> {
  const comparison = new Comparison(course);
  const run = new Rerun(vmId, recorded, comparison, options);
  try {
    for (const cell of recorded.cells) {
      if (comparison.difference === undefined) await run.cell(cell);
    }
    return comparison;
  } finally {
    await run.close();
  }
}

class Rerun {
  readonly #driver: VmDriver;
  readonly #vmId: string;
  readonly #recorded: RecordedVm;
  readonly #comparison: Comparison;
  readonly #options: RerunOptions;
  /** By checkpoint id: the computed states of the minutes of stored ones. */
  readonly #states = new Map<string, Uint8Array>();
  #fence = 0;
  #branch = 0;
  #failure: string | undefined;

  constructor(vmId: string, recorded: RecordedVm, comparison: Comparison, options: RerunOptions) {
    this.#vmId = vmId;
    this.#recorded = recorded;
    this.#comparison = comparison;
    this.#options = options;
    this.#driver = this.#newDriver();
    this.#driver.onGuestEvent((event) => this.#note(event));
  }

  /** Models of other packages run in threads: one that never returns ends with an error, as in an agent. */
  #newDriver(): VmDriver {
    const { models = [] } = this.#options;
    if (models.length === 0) return createBasicDriver({ timeScaleMinutesPerSecond: 1 });
    return createThreadedDriver({
      threads: 1,
      timeScaleMinutesPerSecond: 1,
      models,
      onLost: (why) => {
        this.#failure = `its thread ended: ${why}`;
      },
    });
  }

  /** Ends the cells. */
  close(): Promise<void> {
    return this.#driver.close();
  }

  #note(event: GuestEvent): void {
    if (event.kind === "failed") this.#failure = event.reason;
    if (event.kind !== "recorded") return;
    for (const row of event.rows) this.#comparison.row(this.#branch, event.columns, row);
  }

  async cell(cell: RecordedCell): Promise<void> {
    const { until = Number.POSITIVE_INFINITY, onMinute } = this.#options;
    this.#branch = cell.branch;
    let bytes = cell.from === null ? undefined : this.#states.get(cell.from.checkpointId);
    if (cell.from !== null && bytes === undefined) {
      throw new NotReproducible(`the state of minute ${cell.from.simMinutes} is beyond the computed minutes`);
    }
    for (const minute of this.#stopsOf(cell)) {
      if (minute > until) {
        if (Number.isFinite(until)) await this.#live(cell, bytes, until);
        return;
      }
      await this.#live(cell, bytes, minute);
      bytes = await this.#compareStates(cell, minute);
      onMinute?.(minute);
      if (this.#comparison.difference !== undefined) return;
    }
  }

  /** Returns the minutes at which a state of the cell is compared, and the last recorded one, in order. */
  #stopsOf({ branch, from, states }: RecordedCell): number[] {
    const last = this.#comparison.lastMinute(branch) ?? 0;
    const minutes = [...states.map(({ simMinutes }) => simMinutes), last];
    return [...new Set(minutes)].filter((one) => one >= (from?.simMinutes ?? 0)).sort((a, b) => a - b);
  }

  /** Lets the cell live from this state until the end of this minute. Of what acts at it from outside, `acted` acts. */
  async #live(
    cell: RecordedCell,
    checkpoint: Uint8Array | undefined,
    minute: number,
    acted: readonly GuestChange[] = [],
  ): Promise<void> {
    const { vm } = this.#recorded;
    this.#fence += 1;
    const spec: GuestSpec = {
      vmId: this.#vmId,
      incarnation: vm.incarnation,
      fence: this.#fence,
      biologicalType: vm.biologicalType,
      seed: vm.seed,
      allocation: cell.allocation,
      environment: vm.environment,
      program: vm.program ?? undefined,
      // Second daughters are VMs of their own: the course of their mother does not depend on them.
      config: { ...vm.config, lineage: undefined },
      checkpoint,
      changes: [...cell.changes.filter(({ simMinute }) => simMinute < minute), ...acted].sort(
        (a, b) => a.seq - b.seq,
      ),
      timeScale: "max",
      lastMinute: minute,
      ...(vm.record === undefined ? {} : { record: { key: "rerun", ...vm.record } }),
    };
    await this.#driver.start(spec);
    // A thread computes between the ticks; cells of this thread compute in the turns of its event loop.
    const waitMs = this.#options.models?.length ? LOOK_MS : 0;
    while (this.#driver.guest?.(this.#vmId)?.atLastMinute !== true) {
      if (this.#failure !== undefined) throw new NotReproducible(`the cell failed: ${this.#failure}`);
      this.#driver.tick(STEP_MS);
      await (waitMs > 0 ? setTimeout(waitMs) : setImmediate());
    }
  }

  /** Compares the stored states of this minute. Returns the state after everything that acted at it. */
  async #compareStates(cell: RecordedCell, minute: number): Promise<Uint8Array> {
    const wanted = cell.states.filter(({ simMinutes }) => simMinutes === minute);
    let { bytes } = await this.#driver.snapshot(this.#vmId, this.#fence);
    const seen = [bytes];
    const acts = here(cell, minute);
    for (const [i] of acts.entries()) {
      await this.#live(cell, bytes, minute, acts.slice(0, i + 1));
      ({ bytes } = await this.#driver.snapshot(this.#vmId, this.#fence));
      seen.push(bytes);
    }
    for (const state of wanted) this.#compareState(cell, state, seen);
    return bytes;
  }

  #compareState({ branch }: RecordedCell, state: RecordedState, seen: readonly Uint8Array[]): void {
    const digests = seen.map((bytes) => hash("sha256", bytes, "hex"));
    this.#comparison.state(branch, state, digests, this.#recorded.vm.timeScale === "max");
    const kept = seen[digests.indexOf(state.sha256)] ?? seen.at(-1);
    if (kept !== undefined) this.#states.set(state.checkpointId, kept);
  }
}

/** Returns the changes of this minute in the order in which they act; a program after the change that its place names. */
function here({ changes }: RecordedCell, minute: number): GuestChange[] {
  const place = ({ seq, program }: GuestChange): readonly [number, number] =>
    program === undefined ? [seq, -1] : [program.afterSeq, program.nth];
  return changes
    .filter(({ simMinute }) => simMinute === minute)
    .toSorted((a, b) => place(a)[0] - place(b)[0] || place(a)[1] - place(b)[1]);
}
