/**
 * Deletes the states of guests that nobody refers to any more.
 *
 * What a VM's events cease to refer to is deleted at once: a name is used for one content only, so nothing will refer to it again.
 * Only VMs that have something stored are looked at: a start does not wait for the others.
 * What nothing ever referred to (it was stored, and then its agent died or its command was refused) is found by comparing the
 * store with the log now and then; it is left alone until it is old, because the event that refers to it comes after it.
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
  /** How often the store is compared with the log, ms. What is found then was left by a crash. */
  readonly everyMs: number;
  /** How old, ms, what nothing refers to has to be: above every deadline between a put and its event, clocks apart included. */
  readonly orphanAgeMs: number;
}

export const DEFAULT_SWEEP: SweepOptions = { everyMs: 600_000, orphanAgeMs: 600_000 };
/** The key of the comparison among the names of blobs, which have a dot. */
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
  /** What each VM that was looked at referred to then; those that refer to nothing are not in it. */
  readonly #referred = new Map<string, readonly BlobName[]>();
  /** Was referred to and is not any more: no event is still to come that does. */
  readonly #superseded = new Set<BlobName>();

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
      step: (key) => this.#step(key),
      onError: (key, thrown) =>
        logger.warn({ blob: key, err: thrown }, `no blob was deleted: ${messageOf(thrown)}`),
    });
  }

  /** This instance acts from now on: what was left before is looked for. */
  held(): void {
    this.#reconciler.wake(ALL);
  }

  observe({ envelope }: StoredEvent): void {
    const { kind, id: vmId } = aggregateOf(envelope.subject);
    if (kind !== "vm") return;
    const before = this.#referred.get(vmId) ?? [];
    const now = this.#lookAt(vmId);
    for (const name of before) {
      if (now.includes(name)) continue;
      this.#superseded.add(name);
      this.#reconciler.wake(name);
    }
  }

  end(): Promise<void> {
    return this.#reconciler.stop();
  }

  #lookAt(vmId: string): readonly BlobName[] {
    const vm = this.#vmOf(vmId);
    const names = vm.exists ? blobsOf(vmId, vm) : [];
    if (names.length === 0) this.#referred.delete(vmId);
    else this.#referred.set(vmId, names);
    return names;
  }

  /** Where another instance acts nothing is owed: that one sees the same events, and compares everything when it begins. */
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
    if (this.#isReferred(name) || !(await this.#isOwed(name))) return undefined;
    await this.#ports.blobs.delete(name);
    this.#superseded.delete(name);
    return undefined;
  }

  #isReferred(name: BlobName): boolean {
    return this.#lookAt(name.slice(0, name.indexOf("."))).includes(name);
  }

  async #isOwed(name: BlobName): Promise<boolean> {
    if (this.#superseded.has(name)) return true;
    const storedAtMs = await this.#ports.blobs.storedAtMs(name);
    if (storedAtMs === undefined || this.#isReferred(name)) return false;
    return this.#ports.clock.nowMs() - storedAtMs >= this.#options.orphanAgeMs;
  }
}
