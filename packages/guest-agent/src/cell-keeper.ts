/**
 * Decides what happens to the one cell of the agent: which start continues, takes over or replaces it, and when it is
 * stored. Its changes run one after the other; a change that is acknowledged is on the disk.
 */
import { messageOf } from "@bioxen/kernel";
import { DriverError, type GuestCheckpoint } from "@bioxen/vm-driver";
import type { CellStore } from "./cell-store.ts";
import { type CellStart, HeldCell } from "./held-cell.ts";
import { LogLines } from "./log-lines.ts";
import type { CellSpec } from "./protocol.ts";
import type { StoredCell } from "./stored-cell.ts";

/** What makes a cell the same one after a restart of the machine. The fence is not part of it. */
export type CellId = Pick<CellSpec, "vmId" | "incarnation" | "restores">;

export const isSameCell = (a: CellId, b: CellId): boolean =>
  a.vmId === b.vmId && a.incarnation === b.incarnation && (a.restores ?? 0) === (b.restores ?? 0);

export class CellKeeper {
  readonly lines = new LogLines();
  readonly #store: CellStore;
  readonly #log: (line: string) => void;
  #cell: HeldCell | undefined;
  #failure: string | undefined;
  #changes: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(store: CellStore, log: (line: string) => void) {
    this.#store = store;
    this.#log = log;
  }

  get cell(): HeldCell | undefined {
    return this.#cell;
  }

  /** Why the cell has failed; undefined while it lives. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Returns the cell. Rejects with `GUEST_NOT_FOUND` if there is none, or with the errors of its fence. */
  require(fence?: number): HeldCell {
    if (this.#cell === undefined) throw new DriverError("GUEST_NOT_FOUND", "the agent has no cell yet");
    this.#cell.requireFence(fence);
    return this.#cell;
  }

  /** Starts the cell by the rules of the request `boot`. Rejects with the errors of a start. */
  boot(start: CellStart): Promise<void> {
    return this.#change(async () => {
      const held = this.#cell;
      if (held === undefined) return this.#replace(await this.#continued(start));
      this.#requireNewest(start.spec, held.spec);
      const isSame = isSameCell(start.spec, held.spec);
      if (isSame && start.spec.fence === held.spec.fence && this.#failure === undefined) return;
      if (!isSame || start.checkpoint !== undefined) return this.#replace(start);
      if (this.#failure !== undefined) return this.#replace(await this.#continued(start));
      return this.#replace(takenOver(held.stored(await held.checkpoint()), start));
    });
  }

  /** Continues the stored cell if `id` fits; without an id every stored cell fits. Returns whether it did. */
  continueStored(id: CellId | undefined): Promise<boolean> {
    return this.#change(async () => {
      const stored = await this.#store.load();
      if (stored === undefined || (id !== undefined && !isSameCell(id, stored.spec))) return false;
      await this.#replace(startOf(stored));
      return true;
    });
  }

  restart(spec: CellSpec, checkpoint: Uint8Array | undefined): Promise<void> {
    return this.#change(async () => {
      const cell = this.require(spec.fence);
      await cell.restart(spec, checkpoint);
      await this.#saveIfPossible(cell);
    });
  }

  /** Changes the cell by `change`, and stores it. */
  alter(change: (cell: HeldCell) => Promise<void>, fence?: number): Promise<void> {
    return this.#change(async () => {
      const cell = this.require(fence);
      await change(cell);
      await this.#saveIfPossible(cell);
    });
  }

  /** Stores the cell. Returns its checkpoint. */
  checkpoint(fence?: number): Promise<GuestCheckpoint> {
    return this.#change(async () => {
      this.require(fence);
      return this.#save();
    });
  }

  /** Stores the cell if there is a living one; a failure is only logged. */
  async saveIfAlive(): Promise<void> {
    if (this.#cell === undefined || this.#failure !== undefined) return;
    try {
      await this.#change(() => this.#save());
    } catch (error) {
      this.#log(messageOf(error));
    }
  }

  /** Ends the cell. The stored cell stays. */
  async close(): Promise<void> {
    const last = this.#change(async () => this.#cell?.close());
    this.#isClosed = true;
    await last;
  }

  #requireNewest(wanted: CellSpec, held: CellSpec): void {
    if (wanted.vmId !== held.vmId) return;
    const isOlder = wanted.incarnation < held.incarnation;
    const isStale = wanted.incarnation === held.incarnation && wanted.fence < held.fence;
    if (!isOlder && !isStale) return;
    const { incarnation, fence } = held;
    throw new DriverError(
      "STALE_FENCE",
      `incarnation ${wanted.incarnation} with fence ${wanted.fence} is stale: the cell has ${incarnation} and ${fence}`,
      { details: { incarnation, fence } },
    );
  }

  /** Returns `start`, or the start of the stored cell under its spec if the stored cell is the same one. */
  async #continued(start: CellStart): Promise<CellStart> {
    if (start.checkpoint !== undefined) return start;
    const stored = await this.#store.load();
    if (stored === undefined || !isSameCell(stored.spec, start.spec)) return start;
    return stored.spec.fence === start.spec.fence ? startOf(stored) : takenOver(stored, start);
  }

  /** Starts a cell and stores it, then ends the cell before it. If that fails, the cell before it stays. */
  async #replace(start: CellStart): Promise<void> {
    const cell: HeldCell = await HeldCell.boot(start, {
      printed: (line) => this.lines.add(line),
      failed: (reason) => {
        if (this.#cell === cell) this.#failure = reason;
        this.#log(`the cell failed: ${reason}`);
      },
    });
    try {
      await this.#saveIfPossible(cell);
    } catch (error) {
      await cell.close();
      throw error;
    }
    const before = this.#cell;
    this.#cell = cell;
    this.#failure = undefined;
    await before?.close();
  }

  /**
   * Stores the cell. A cell whose Lua state cannot be stored lives on, as in the basic driver; only the log says so.
   * Rejects with `UNAVAILABLE` if the disk fails.
   */
  async #saveIfPossible(cell: HeldCell): Promise<void> {
    let checkpoint: GuestCheckpoint;
    try {
      checkpoint = await cell.checkpoint();
    } catch (error) {
      this.#log(`the cell was not stored: ${messageOf(error)}`);
      return;
    }
    await this.#write(cell, checkpoint);
  }

  async #write(cell: HeldCell, checkpoint: GuestCheckpoint): Promise<void> {
    try {
      await this.#store.save(cell.stored(checkpoint));
    } catch (cause) {
      throw new DriverError("UNAVAILABLE", `the cell was not stored: ${messageOf(cause)}`, { cause });
    }
  }

  async #save(): Promise<GuestCheckpoint> {
    const cell = this.require();
    const checkpoint = await cell.checkpoint();
    await this.#write(cell, checkpoint);
    return checkpoint;
  }

  /** Runs `change` after all earlier changes have ended, whatever their outcome. */
  #change<T>(change: () => Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(new DriverError("UNAVAILABLE", "the agent ends"));
    const result = this.#changes.then(change);
    this.#changes = result.catch(() => undefined);
    return result;
  }
}

/** Returns the start that continues a stored cell under its own spec. */
function startOf({ spec, timeScale, paused, applied, checkpointBase64 }: StoredCell): CellStart {
  return { spec, timeScale, paused, applied, checkpoint: Buffer.from(checkpointBase64, "base64") };
}

/** Returns the start that continues a stored cell under the spec of a newer reservation, which starts it running. */
function takenOver(stored: StoredCell, { spec, timeScale, applied }: CellStart): CellStart {
  const wanted = JSON.stringify(spec.environment ?? {});
  const newEnvironment = wanted !== JSON.stringify(stored.spec.environment ?? {});
  return { ...startOf(stored), spec, timeScale, newEnvironment, paused: false, applied };
}
