/**
 * Deletes stored guest states that no VM refers to any more.
 *
 * A blob that a VM's events cease to refer to is deleted at once: the name of a blob is used for one content only, so
 * no later event refers to it again. Only VMs with blobs in the store are read, so a start of the service does not
 * wait for VMs without blobs.
 *
 * A blob that no event ever referred to is an orphan: its agent died after storing it, or its command was rejected.
 * Orphans are found by a periodic comparison of the store with the log. The event comes after its blob, so an orphan
 * is deleted only once it is old.
 */
import { aggregateOf, blobsOf, type VmState } from "@bioxen/contracts";
import {
  type BlobName,
  type BlobStore,
  type Clock,
  type Logger,
  messageOf,
  Reconciler,
  type StepResult,
  type StoredEvent,
  type Timers,
} from "@bioxen/kernel";

export interface SweepOptions {
  /** Interval between two comparisons of the store with the log, ms. Only crashes leave orphans, so it may be long. */
  readonly everyMs: number;
  /** Minimum age of a deleted orphan, ms. It exceeds every deadline between a put and its event, and the clock skew. */
  readonly orphanAgeMs: number;
}

export const DEFAULT_SWEEP: SweepOptions = { everyMs: 600_000, orphanAgeMs: 600_000 };
/** Reconciler key for comparing the whole store with the log. It equals no blob name, because those contain a dot. */
const ALL = "all";

export interface SweeperPorts {
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
}

export class GuestStateSweeper {
  readonly #ports: SweeperPorts;
  readonly #options: SweepOptions;
  readonly #vmOf: (vmId: string) => VmState;
  readonly #acts: () => boolean;
  readonly #reconciler: Reconciler;
  /** The blobs that each VM referred to when it was last read; VMs without blobs are not in it. */
  readonly #referred = new Map<string, readonly BlobName[]>();
  /** Blobs that a VM has ceased to refer to: no later event refers to them. */
  readonly #superseded = new Set<BlobName>();
  readonly #ending = Promise.withResolvers<undefined>();

  constructor(
    ports: SweeperPorts,
    options: SweepOptions,
    vmOf: (vmId: string) => VmState,
    acts: () => boolean,
  ) {
    this.#ports = ports;
    this.#options = options;
    this.#vmOf = vmOf;
    this.#acts = acts;
    const { clock, timers, logger } = ports;
    this.#reconciler = new Reconciler({
      clock,
      timers,
      step: (key) => Promise.race([this.#step(key), this.#ending.promise]),
      onError: (key, thrown) =>
        logger.warn(
          { blob: key, err: thrown },
          `could not delete a stored guest state: ${messageOf(thrown)}`,
        ),
    });
  }

  /** Compares the whole store with the log. Call it when this instance becomes the lease holder. */
  compareAll(): void {
    this.#reconciler.wake(ALL);
  }

  observe({ envelope }: StoredEvent): void {
    const { kind, id: vmId } = aggregateOf(envelope.subject);
    if (kind !== "vm") return;
    const before = this.#referred.get(vmId) ?? [];
    const now = this.#referencesOf(vmId);
    for (const name of before) {
      if (now.includes(name)) continue;
      this.#superseded.add(name);
      this.#reconciler.wake(name);
    }
  }

  /** Ends without the answers that the store still owes: on a lost connection they may never come. */
  end(): Promise<void> {
    this.#ending.resolve(undefined);
    return this.#reconciler.stop();
  }

  #referencesOf(vmId: string): readonly BlobName[] {
    const vm = this.#vmOf(vmId);
    const names = vm.exists ? blobsOf(vmId, vm) : [];
    if (names.length === 0) this.#referred.delete(vmId);
    else this.#referred.set(vmId, names);
    return names;
  }

  /**
   * Deletes the blob `key` if it is superseded or an old orphan; for `ALL`, schedules such a step for every blob. A
   * follower deletes nothing: the lease holder reads the same events, and a new lease holder compares the whole store.
   */
  async #step(key: string): Promise<StepResult> {
    if (!this.#acts()) {
      this.#superseded.delete(key as BlobName);
      return undefined;
    }
    if (key === ALL) {
      for (const name of await this.#ports.blobs.list()) this.#reconciler.wake(name);
      return { dueAtMs: this.#ports.clock.nowMs() + this.#options.everyMs };
    }
    const name = key as BlobName;
    if (this.#isReferred(name) || !(await this.#isDeletable(name))) return undefined;
    await this.#ports.blobs.delete(name);
    this.#superseded.delete(name);
    return undefined;
  }

  #isReferred(name: BlobName): boolean {
    return this.#referencesOf(name.slice(0, name.indexOf("."))).includes(name);
  }

  async #isDeletable(name: BlobName): Promise<boolean> {
    if (this.#superseded.has(name)) return true;
    const storedAtMs = await this.#ports.blobs.storedAtMs(name);
    if (storedAtMs === undefined || this.#isReferred(name)) return false;
    return this.#ports.clock.nowMs() - storedAtMs >= this.#options.orphanAgeMs;
  }
}
