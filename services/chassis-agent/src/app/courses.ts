/**
 * The time courses that this agent records: it takes the rows of its guests, and stores them in batches.
 *
 * Before a checkpoint is reported, every row up to its minute is stored (`flush`). So a guest that continues from the
 * checkpoint leaves no gap, and the rows that a lost agent had stored after it are recorded again, in a new run.
 *
 * A batch that was sent never changes: after a lost acknowledgement the same bytes are sent under the same name.
 */
import {
  type CourseBatch,
  type CourseColumn,
  courseBranch,
  MAX_BATCH_ROWS,
  type Vm,
} from "@bioxen/contracts";
import {
  type CourseName,
  KeyedQueue,
  messageOf,
  Reconciler,
  type ServicePorts,
  type StepResult,
} from "@bioxen/kernel";
import type { GuestEvent, GuestRecord } from "@bioxen/vm-driver";

/** Longest time that a row waits for others of its batch, ms. Readers see the rows this late. */
const FLUSH_AFTER_MS = 5_000;
/** Maximum number of values in one batch, so that a batch of a model with many variables fits a message: about 400 kB. */
const MAX_BATCH_VALUES = 16_384;
/**
 * Number of rows that wait for the store, of all guests, from which simulated time stands still: about 50 MB. The rows
 * of 1 000 guests at 100 minutes a second reach it after a second without a store.
 */
export const MAX_WAITING_ROWS = 100_000;
/**
 * Number of waiting rows from which guests at the time scale `max` stand still. They compute rows faster than a store takes
 * them, and must not hold the others up. Rows wait for a full batch or {@link FLUSH_AFTER_MS}, so that a lower number would
 * let 1 000 guests stand still for seconds at a time.
 */
const BUSY_WAITING_ROWS = MAX_WAITING_ROWS / 2;
/** Longest wait for the store when the agent ends, ms. Rows after the last checkpoint are recorded again anyway. */
const END_WITHIN_MS = 4_000;

/** One guest that records, from its start to its end. */
interface Run extends CourseName {
  readonly branch: number;
  /** Number of the run in the store; undefined until its first batch is stored. */
  number: number | undefined;
}

/** The content of a batch in the store: a {@link CourseBatch} whose lists are not copied. */
type Content = { readonly [Field in keyof CourseBatch]: Batch[Field] };

interface Batch {
  readonly run: Run;
  readonly columns: readonly CourseColumn[];
  readonly rows: (readonly (number | null)[])[];
  readonly dueAtMs: number;
  /** Whether the batch takes no more rows. */
  isSealed: boolean;
}

type Ports = Pick<ServicePorts, "courses" | "clock" | "timers" | "logger">;

export class Courses {
  readonly #ports: Ports;
  readonly #agentId: string;
  /** By VM id and key, the guests that record. */
  readonly #runs = new Map<string, Map<string, Run>>();
  /** By VM id, the batches that are not stored yet, oldest first. */
  readonly #waiting = new Map<string, Batch[]>();
  readonly #sends = new KeyedQueue();
  readonly #reconciler: Reconciler;
  #keys = 0;
  #waitingRows = 0;

  constructor(ports: Ports, agentId: string) {
    this.#ports = ports;
    this.#agentId = agentId;
    this.#reconciler = new Reconciler({
      clock: ports.clock,
      timers: ports.timers,
      step: (vmId) => this.#step(vmId),
      onError: (vmId, thrown) =>
        ports.logger.warn({ vmId, err: thrown }, `rows of ${vmId} are not stored yet: ${messageOf(thrown)}`),
    });
  }

  /** Returns what the VM's next guest records; undefined when it records nothing. Each guest is a run of its own. */
  recordOf(vmId: string, vm: Vm): GuestRecord | undefined {
    if (vm.record === undefined) return undefined;
    this.#keys += 1;
    const key = String(this.#keys);
    const run: Run = { vmId, incarnation: vm.incarnation, branch: courseBranch(vm), number: undefined };
    const runs = this.#runs.get(vmId) ?? new Map<string, Run>();
    // The first one is the present guest; the others failed to start.
    for (const failed of [...runs.keys()].slice(1)) runs.delete(failed);
    this.#runs.set(vmId, runs.set(key, run));
    return { key, ...vm.record };
  }

  /** Forgets the earlier guests of a VM, because the one with this record has replaced them. */
  began(vmId: string, record: GuestRecord | undefined): void {
    const runs = this.#runs.get(vmId);
    for (const key of runs?.keys() ?? []) if (key !== record?.key) runs?.delete(key);
  }

  /** Forgets the guest of a VM, because it has ended. Its rows are still stored. */
  ended(vmId: string): void {
    this.#runs.delete(vmId);
  }

  /** Takes the rows of a guest. Ignores every other event. */
  observe(event: GuestEvent): void {
    if (event.kind !== "recorded") return;
    const { vmId, key, columns, rows } = event;
    const run = this.#runs.get(vmId)?.get(key);
    if (run === undefined) return;
    const most = Math.max(1, Math.min(MAX_BATCH_ROWS, Math.floor(MAX_BATCH_VALUES / columns.length)));
    for (const row of rows) {
      const batch = this.#openBatch(vmId, run, columns);
      batch.rows.push(row);
      batch.isSealed = batch.rows.length >= most;
    }
    this.#waitingRows += rows.length;
    this.#reconciler.wake(vmId);
  }

  /** Returns true while so many rows wait for the store that no guest may compute further ones. */
  isFull(): boolean {
    return this.#waitingRows >= MAX_WAITING_ROWS;
  }

  /** Returns true while so many rows wait that only guests at the rate of the agent may compute further ones. */
  isBusy(): boolean {
    return this.#waitingRows >= BUSY_WAITING_ROWS;
  }

  /** Resolves once every row that the VM's guests have recorded is stored. Rejects with `Fault` UNAVAILABLE. */
  flush(vmId: string): Promise<void> {
    for (const batch of this.#waiting.get(vmId) ?? []) batch.isSealed = true;
    return this.#store(vmId);
  }

  /** Stores what is left, and ends. Gives up after {@link END_WITHIN_MS}. */
  async end(): Promise<void> {
    const { timers } = this.#ports;
    const late = Promise.withResolvers<void>();
    const timer = timers.after(END_WITHIN_MS, () => late.resolve());
    const flushed = Promise.allSettled([...this.#waiting.keys()].map((vmId) => this.flush(vmId)));
    await Promise.race([flushed, late.promise]);
    timer.cancel();
    await Promise.race([this.#reconciler.stop(), late.promise]);
  }

  #openBatch(vmId: string, run: Run, columns: readonly CourseColumn[]): Batch {
    const batches = this.#waiting.get(vmId) ?? [];
    const last = batches.at(-1);
    if (last?.run === run && !last.isSealed) return last;
    // A run that follows another one begins a batch, so the batch before takes no more rows.
    if (last !== undefined) last.isSealed = true;
    const dueAtMs = this.#ports.clock.nowMs() + FLUSH_AFTER_MS;
    const batch: Batch = { run, columns, rows: [], dueAtMs, isSealed: false };
    this.#waiting.set(vmId, [...batches, batch]);
    return batch;
  }

  async #step(vmId: string): Promise<StepResult> {
    const nowMs = this.#ports.clock.nowMs();
    for (const batch of this.#waiting.get(vmId) ?? []) if (batch.dueAtMs <= nowMs) batch.isSealed = true;
    await this.#store(vmId);
    const next = this.#waiting.get(vmId)?.[0];
    return next && { dueAtMs: next.dueAtMs };
  }

  /** Stores the sealed batches of the VM, one after the other. */
  #store(vmId: string): Promise<void> {
    return this.#sends.run(vmId, async () => {
      for (;;) {
        const [batch] = this.#waiting.get(vmId) ?? [];
        if (batch?.isSealed !== true) return;
        await this.#put(batch);
        const rest = (this.#waiting.get(vmId) ?? []).filter((one) => one !== batch);
        if (rest.length === 0) this.#waiting.delete(vmId);
        else this.#waiting.set(vmId, rest);
        this.#waitingRows -= batch.rows.length;
      }
    });
  }

  async #put({ run, columns, rows }: Batch): Promise<void> {
    const { courses } = this.#ports;
    const { vmId, incarnation, branch } = run;
    run.number ??= await this.#nextRun(run);
    const firstMinute = rows[0]?.[0] ?? 0;
    const bytes = new TextEncoder().encode(JSON.stringify({ columns, rows } satisfies Content));
    const { number } = run;
    await courses.put({ agentId: this.#agentId, vmId, incarnation, branch, run: number, firstMinute }, bytes);
  }

  /** Returns the number of a new run: above those of all runs of its branch. */
  async #nextRun({ branch, ...course }: Run): Promise<number> {
    const batches = await this.#ports.courses.batches(course);
    return 1 + batches.reduce((most, one) => (one.branch === branch ? Math.max(most, one.run) : most), 0);
  }
}
