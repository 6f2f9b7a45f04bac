/**
 * Deletes the states of guests that nobody refers to any more.
 *
 * What a VM's events cease to refer to is deleted at once: a name is used for one content only, so nothing will refer to it again.
 * What nothing ever referred to (it was stored, and then its agent died or its command was refused) is found by comparing the
 * store with the log now and then; it is left alone until it is old, because the event that refers to it comes after it.
 */
import { blobsOf, type VmState } from "@bioxen/contracts";
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
  /** What each VM referred to when it was last looked at; those that refer to nothing are not in it. */
  readonly #referred = new Map<string, readonly BlobName[]>();

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

  /** The VMs there are; call once the state is there. */
  begin(vmIds: Iterable<string>): void {
    for (const vmId of vmIds) this.#remember(vmId);
  }

  /** This instance acts from now on: what was left before is looked for. */
  held(): void {
    this.#reconciler.wake(ALL);
  }

  observe({ envelope }: StoredEvent): void {
    if (!envelope.subject.startsWith("vm/")) return;
    const vmId = envelope.subject.slice("vm/".length);
    const before = this.#referred.get(vmId) ?? [];
    const now = this.#remember(vmId);
    for (const name of before) if (!now.includes(name)) this.#reconciler.wake(name);
  }

  end(): Promise<void> {
    return this.#reconciler.stop();
  }

  #remember(vmId: string): readonly BlobName[] {
    const vm = this.#vmOf(vmId);
    const names = vm.exists ? blobsOf(vmId, vm) : [];
    if (names.length === 0) this.#referred.delete(vmId);
    else this.#referred.set(vmId, names);
    return names;
  }

  /** Where another instance acts nothing is owed: that one sees the same events, and compares everything when it begins. */
  async #step(key: string): Promise<StepResult> {
    if (!this.#acts()) return undefined;
    if (key !== ALL) {
      await this.#ports.blobs.delete(key as BlobName);
      return undefined;
    }
    for (const name of await this.#ports.blobs.list()) {
      if (await this.#isOrphan(name)) this.#reconciler.wake(name);
    }
    return { dueAtMs: this.#ports.clock.nowMs() + this.#options.everyMs };
  }

  async #isOrphan(name: BlobName): Promise<boolean> {
    const isReferred = () => this.#referred.get(name.slice(0, name.indexOf(".")))?.includes(name) === true;
    if (isReferred()) return false;
    const storedAtMs = await this.#ports.blobs.storedAtMs(name);
    if (storedAtMs === undefined || isReferred()) return false;
    return this.#ports.clock.nowMs() - storedAtMs >= this.#options.orphanAgeMs;
  }
}
