/**
 * The handle of one VM.
 */
import type { RequestOf, ResultOf, SnapshotView, VmSample, VmView } from "@bioxen/contracts";
import { nextSample, sleep, tenantOf } from "@bioxen/nats/client";
import type { Connection } from "./calls.ts";
import { type Course, type CourseOptions, courseOf } from "./course.ts";
import { BioxenError } from "./errors.ts";
import type { EventWatch, WatchOptions } from "./event-watch.ts";
import { ResourceManager } from "./resource-manager.ts";
import { type VmNews, watchVm } from "./watch.ts";

/** Interval of polling a VM that is changing state, ms. */
const POLL_INTERVAL_MS = 50;

/** A VM with its latest measurement; `sample` is null before the first. */
export type VmStatus = VmView & { readonly sample: VmSample | null };

/** The options of a method that changes the VM. */
export interface ChangeOptions {
  /**
   * The version that the VM must have: `version` of its view. With another version the method throws
   * {@link BioxenError} CONFLICT with `details` `{expected, actual}`, and changes nothing.
   */
  readonly expectedVersion?: number;
}

/** The options of a method that changes the cell at a minute of its simulated time. */
export interface AtMinuteOptions extends ChangeOptions {
  /** Default: the present minute. */
  readonly atMinute?: number;
}

/** The options of a method that also waits until the VM has changed. */
export interface WaitOptions extends ChangeOptions {
  /** Longest wait, ms; default: the timeout of the connection. */
  readonly timeoutMs?: number;
}

export interface StopOptions extends WaitOptions {
  /** Time that the guest has to end by itself, ms. */
  readonly deadlineMs?: number;
  readonly force?: boolean;
}

export class BioVm {
  readonly id: string;
  readonly resources: ResourceManager;
  readonly #bioxen: Connection;

  constructor(bioxen: Connection, vmId: string) {
    this.id = vmId;
    this.#bioxen = bioxen;
    this.resources = new ResourceManager(bioxen, vmId);
  }

  /**
   * Starts the VM and resolves when it runs. `timeoutMs` defaults to the timeout of the connection.
   *
   * Throws {@link BioxenError} in three cases. When no chassis can take the VM, the error has the code of the first
   * refusal, such as CAPACITY_EXCEEDED, and `details.reasons` has all refusals; the VM stays pending. When the guest
   * fails, the error has the code of the failure, such as GUEST_ERROR. When the outcome of the start is not known in
   * time, the code is UNAVAILABLE.
   */
  async start({ timeoutMs, ...change }: WaitOptions = {}): Promise<VmView> {
    const { vm } = await this.#bioxen.call("vmStart", { vmId: this.id, ...change });
    const settled = await this.#until(vm, isSettled, timeoutMs);
    if (settled.state === "running") return settled;
    const [first] = settled.refusals;
    const code =
      settled.state === "pending" ? (first?.code ?? "UNAVAILABLE") : (settled.failure ?? "CONFLICT");
    throw new BioxenError({
      code,
      message: `${this.id} is ${settled.state}: ${settled.reason ?? "no reason reported"}`,
      retryable: settled.state === "pending",
      details: { state: settled.state, reasons: settled.refusals },
    });
  }

  /** Pauses the guest; the VM keeps its reservation. */
  async pause(change: ChangeOptions = {}): Promise<VmView> {
    return (await this.#bioxen.call("vmPause", { vmId: this.id, ...change })).vm;
  }

  /** Resumes a paused guest. */
  async resume(change: ChangeOptions = {}): Promise<VmView> {
    return (await this.#bioxen.call("vmResume", { vmId: this.id, ...change })).vm;
  }

  /**
   * Stops the VM; resolves when its guest has ended and its reservation is released. `deadlineMs` is the time that a
   * machine has to shut down, and that a cell has to complete its running programs; default: the
   * `config.shutdownGraceMs` of a machine, 0 for a cell. `force` ends the guest at once, or at `deadlineMs`. On a VM
   * that is stopping, both shorten the stop under way.
   */
  async stop({ timeoutMs, ...change }: StopOptions = {}): Promise<VmView> {
    const { vm } = await this.#bioxen.call("vmStop", { vmId: this.id, ...change });
    return this.#until(vm, (now) => now.state !== "stopping", timeoutMs);
  }

  /** Destroys the VM, stopping it first if necessary; resolves when it is destroyed. */
  async destroy({ timeoutMs, ...change }: WaitOptions = {}): Promise<VmView> {
    const { vm } = await this.#bioxen.call("vmDestroy", { vmId: this.id, ...change });
    return this.#until(vm, (now) => now.state === "destroyed", timeoutMs);
  }

  /**
   * Changes the requested resources of the VM, and also its allocation while it runs or is paused. Either all amounts
   * change or none. A cell gets them at minute `atMinute` of its simulated time; without it at the present minute. Until
   * then the VM holds the larger of the old and the new amounts. Throws {@link BioxenError}: CAPACITY_EXCEEDED,
   * QUOTA_EXCEEDED, BAD_REQUEST when the cell has passed the minute, UNSUPPORTED for a machine with a minute.
   */
  async resize(
    resources: RequestOf<"vmResize">["resources"],
    { atMinute, ...change }: AtMinuteOptions = {},
  ): Promise<VmView> {
    const at = atMinute === undefined ? {} : { atMinute };
    return (await this.#bioxen.call("vmResize", { vmId: this.id, resources, ...at, ...change })).vm;
  }

  /**
   * Changes these fields of the cell's environment at minute `atMinute` of its simulated time; without it at the present
   * minute. Returns the minute; null if this command had changed it before. Throws {@link BioxenError}: BAD_REQUEST when
   * the cell has passed the minute, UNSUPPORTED for a machine.
   */
  async setEnvironment(
    environment: RequestOf<"vmSetEnvironment">["environment"],
    { atMinute, ...change }: AtMinuteOptions = {},
  ): Promise<number | null> {
    const at = atMinute === undefined ? {} : { atMinute };
    const request = { vmId: this.id, environment, ...at, ...change };
    return (await this.#bioxen.call("vmSetEnvironment", request)).simMinute;
  }

  /**
   * Stores the state of the VM's guest under `snapshotId` (default: a new id). The guest must run or be paused.
   * Throws {@link BioxenError}: UNSUPPORTED when its driver has no snapshots, GUEST_ERROR, TOO_LARGE.
   */
  async snapshot(snapshotId?: string, change: ChangeOptions = {}): Promise<SnapshotView> {
    const named = snapshotId === undefined ? {} : { snapshotId };
    return (await this.#bioxen.call("vmSnapshot", { vmId: this.id, ...named, ...change })).snapshot;
  }

  /**
   * Restores a snapshot. A running guest continues from it at once, a stopped VM at its next start.
   * Throws {@link BioxenError} SNAPSHOT_NOT_FOUND.
   */
  async restore(snapshotId: string, change: ChangeOptions = {}): Promise<VmView> {
    return (await this.#bioxen.call("vmRestore", { vmId: this.id, snapshotId, ...change })).vm;
  }

  /** Deletes a snapshot. Throws {@link BioxenError} SNAPSHOT_NOT_FOUND. */
  async deleteSnapshot(snapshotId: string, change: ChangeOptions = {}): Promise<VmView> {
    return (await this.#bioxen.call("vmDeleteSnapshot", { vmId: this.id, snapshotId, ...change })).vm;
  }

  /**
   * Creates a copy of this VM with a seed of its own. The copy begins from the snapshot `fromSnapshotId`; without a
   * snapshot, from the present state of the guest. Returns the handle of the copy, which is not started.
   */
  async fork(newVmId: string, fromSnapshotId?: string): Promise<BioVm> {
    const from = fromSnapshotId === undefined ? {} : { fromSnapshotId };
    await this.#bioxen.call("vmFork", { vmId: this.id, newVmId, ...from });
    return new BioVm(this.#bioxen, newVmId);
  }

  /**
   * Returns the VM with its latest measurement. With `atSeq`, returns the VM as it was after the event with that
   * sequence, without a measurement.
   */
  async status(options: { readonly atSeq?: number } = {}): Promise<VmStatus> {
    const { vm } = await this.#bioxen.call("vmGet", { vmId: this.id, ...options });
    return { ...vm, sample: options.atSeq === undefined ? await this.sample() : null };
  }

  /**
   * Returns the latest measurement of the VM, or null before the first. A tenant gets the next one, and null when none
   * comes within 2 s.
   */
  async sample(): Promise<VmSample | null> {
    const tenant = await tenantOf(this.#bioxen.bus);
    if (tenant !== undefined) return nextSample(this.#bioxen.bus, tenant, this.id);
    return (await this.#bioxen.call("monitorVm", { vmId: this.id })).sample;
  }

  /**
   * Runs a program in the guest: Lua in a cell, shell in a machine of a pool. With `shell`, a machine runs the program
   * as shell also where it has a cell. `timeoutMs` limits the program's run time. With `readOnly` the program runs on a
   * copy of the cell, which stays as it is; otherwise an event records it.
   * Throws {@link BioxenError}: GUEST_ERROR (Lua: with `details.traceback`), GUEST_TIMEOUT, GUEST_OUT_OF_MEMORY.
   */
  exec(
    source: string,
    options: { readonly timeoutMs?: number; readonly shell?: boolean; readonly readOnly?: boolean } = {},
  ): Promise<ResultOf<"vmExec">> {
    return this.#bioxen.call("vmExec", { vmId: this.id, source, ...options });
  }

  /**
   * Returns the recorded time course of the VM, all pages of it, as columns. Call it again with a later `fromMinute` to
   * follow a course that grows. Throws {@link BioxenError}: COURSE_NOT_FOUND when the VM records none, BAD_REQUEST that
   * names each unknown field.
   */
  async course({ fields, ...range }: CourseOptions = {}): Promise<Course> {
    const named = fields === undefined ? {} : { fields: [...fields] };
    return courseOf(await this.#bioxen.call("courseGet", { vmId: this.id, ...named, ...range }));
  }

  /** Returns every event of this VM, oldest first. */
  async history(): Promise<ResultOf<"vmHistory">["events"]> {
    return (await this.#bioxen.call("vmHistory", { vmId: this.id })).events;
  }

  /**
   * Returns the events and measurements of this VM from now on, until the iteration ends. Messages that are published
   * while the connection is lost are missing; {@link watchEvents} misses no event.
   */
  watch(): AsyncIterableIterator<VmNews> {
    return watchVm(this.#bioxen.bus, this.id);
  }

  /** Returns the events of this VM from sequence `from` on, each once; see `Bioxen.watchEvents`. */
  watchEvents(options: WatchOptions = {}): EventWatch {
    return this.#bioxen.watchEvents({ ...options, vmId: this.id });
  }

  /** Queries the VM until `isDone` returns true for it, and returns the VM. Throws UNAVAILABLE after `timeoutMs`. */
  async #until(from: VmView, isDone: (vm: VmView) => boolean, timeoutMs?: number): Promise<VmView> {
    const limitMs = timeoutMs ?? this.#bioxen.timeoutMs;
    const deadline = Date.now() + limitMs;
    let vm = from;
    while (!isDone(vm)) {
      if (Date.now() > deadline) {
        const message = `${this.id} is still ${vm.state} after ${limitMs} ms`;
        throw new BioxenError({ code: "UNAVAILABLE", message, retryable: true });
      }
      await sleep(POLL_INTERVAL_MS);
      ({ vm } = await this.#bioxen.call("vmGet", { vmId: this.id }));
    }
    return vm;
  }
}

/** Returns true when the outcome of a start is known: the VM runs, has failed, or reports why it waits. */
function isSettled(vm: VmView): boolean {
  if (vm.state === "starting") return false;
  return vm.state !== "pending" || vm.refusals.length > 0;
}
