/**
 * The handle of one VM.
 */
import type { RequestOf, ResultOf, SnapshotView, VmSample, VmView } from "@bioxen/contracts";
import { sleep } from "@bioxen/nats/client";
import type { Connection } from "./calls.ts";
import { BioxenError } from "./errors.ts";
import type { EventWatch, WatchOptions } from "./event-watch.ts";
import { ResourceManager } from "./resource-manager.ts";
import { type VmNews, watchVm } from "./watch.ts";

/** How often a VM on its way is looked at, ms. */
const LOOK_INTERVAL_MS = 50;

export type VmStatus = VmView & { readonly sample: VmSample | null };

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
   * Starts it; resolves when it runs. Throws {@link BioxenError}: with the code of the first refusal (CAPACITY_EXCEEDED, …) and
   * `details.reasons` when it has to wait for a place (it goes on waiting), UNAVAILABLE when neither happens in
   * time, GUEST_ERROR and the like when its guest failed.
   */
  async start(options: { readonly timeoutMs?: number } = {}): Promise<VmView> {
    const { vm } = await this.#bioxen.call("vmStart", { vmId: this.id });
    const settled = await this.#until(vm, isSettled, options.timeoutMs);
    if (settled.state === "running") return settled;
    const [first] = settled.refusals;
    const code =
      settled.state === "pending" ? (first?.code ?? "UNAVAILABLE") : (settled.failure ?? "CONFLICT");
    throw new BioxenError({
      code,
      message: `${this.id} is ${settled.state}: ${settled.reason ?? "no reason is known"}`,
      retryable: settled.state === "pending",
      details: { state: settled.state, reasons: settled.refusals },
    });
  }

  async pause(): Promise<VmView> {
    return (await this.#bioxen.call("vmPause", { vmId: this.id })).vm;
  }

  async resume(): Promise<VmView> {
    return (await this.#bioxen.call("vmResume", { vmId: this.id })).vm;
  }

  /** Resolves when its guest has ended and its place is given back. */
  async stop(options: { readonly timeoutMs?: number } = {}): Promise<VmView> {
    const { vm } = await this.#bioxen.call("vmStop", { vmId: this.id });
    return this.#until(vm, (now) => now.state !== "stopping", options.timeoutMs);
  }

  /** Resolves when it is destroyed. */
  async destroy(options: { readonly timeoutMs?: number } = {}): Promise<VmView> {
    const { vm } = await this.#bioxen.call("vmDestroy", { vmId: this.id });
    return this.#until(vm, (now) => now.state === "destroyed", options.timeoutMs);
  }

  async resize(resources: RequestOf<"vmResize">["resources"]): Promise<VmView> {
    return (await this.#bioxen.call("vmResize", { vmId: this.id, resources })).vm;
  }

  /** Keeps the state of its guest, which runs or is paused. Throws UNSUPPORTED where its driver cannot, GUEST_ERROR, TOO_LARGE. */
  async snapshot(snapshotId?: string): Promise<SnapshotView> {
    const named = snapshotId === undefined ? {} : { snapshotId };
    return (await this.#bioxen.call("vmSnapshot", { vmId: this.id, ...named })).snapshot;
  }

  /** Sets it back; a guest that runs goes on from there, else the next start does. Throws SNAPSHOT_NOT_FOUND. */
  async restore(snapshotId: string): Promise<VmView> {
    return (await this.#bioxen.call("vmRestore", { vmId: this.id, snapshotId })).vm;
  }

  async deleteSnapshot(snapshotId: string): Promise<VmView> {
    return (await this.#bioxen.call("vmDeleteSnapshot", { vmId: this.id, snapshotId })).vm;
  }

  /** A VM like this one with a seed of its own, that begins from a snapshot or, without one, from its guest as it is now. */
  async fork(newVmId: string, fromSnapshotId?: string): Promise<BioVm> {
    const from = fromSnapshotId === undefined ? {} : { fromSnapshotId };
    await this.#bioxen.call("vmFork", { vmId: this.id, newVmId, ...from });
    return new BioVm(this.#bioxen, newVmId);
  }

  /** The VM with its latest measurement; `atSeq`: as it was after that event, without one. */
  async status(options: { readonly atSeq?: number } = {}): Promise<VmStatus> {
    const { vm } = await this.#bioxen.call("vmGet", { vmId: this.id, ...options });
    return { ...vm, sample: options.atSeq === undefined ? await this.sample() : null };
  }

  /** The latest measurement; null when there is none. */
  async sample(): Promise<VmSample | null> {
    return (await this.#bioxen.call("monitorVm", { vmId: this.id })).sample;
  }

  /** Runs Lua in the guest. Throws GUEST_ERROR (with `details.traceback`), GUEST_TIMEOUT, GUEST_OUT_OF_MEMORY. */
  exec(source: string, options: { readonly timeoutMs?: number } = {}): Promise<ResultOf<"vmExec">> {
    return this.#bioxen.call("vmExec", { vmId: this.id, source, ...options });
  }

  /** Everything that happened to it, oldest first. */
  async history(): Promise<ResultOf<"vmHistory">["events"]> {
    return (await this.#bioxen.call("vmHistory", { vmId: this.id })).events;
  }

  /**
   * Events and measurements from now on, until the iteration is left. What is published while the connection is lost is
   * missed: {@link watchEvents} misses nothing.
   */
  watch(): AsyncIterableIterator<VmNews> {
    return watchVm(this.#bioxen.bus, this.id);
  }

  /** Its events from the log, from `from` on, each once: see `Bioxen.watchEvents`. */
  watchEvents(options: WatchOptions = {}): EventWatch {
    return this.#bioxen.watchEvents({ ...options, vmId: this.id });
  }

  async #until(from: VmView, isDone: (vm: VmView) => boolean, timeoutMs?: number): Promise<VmView> {
    const limitMs = timeoutMs ?? this.#bioxen.timeoutMs;
    const deadline = Date.now() + limitMs;
    let vm = from;
    while (!isDone(vm)) {
      if (Date.now() > deadline) {
        const message = `${this.id} is still ${vm.state} after ${limitMs} ms`;
        throw new BioxenError({ code: "UNAVAILABLE", message, retryable: true });
      }
      await sleep(LOOK_INTERVAL_MS);
      ({ vm } = await this.#bioxen.call("vmGet", { vmId: this.id }));
    }
    return vm;
  }
}

function isSettled(vm: VmView): boolean {
  if (vm.state === "starting") return false;
  return vm.state !== "pending" || vm.refusals.length > 0;
}
