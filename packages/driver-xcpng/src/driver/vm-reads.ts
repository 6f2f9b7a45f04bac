/** Reads the records of VMs into the driver's inventory. */
import type { XapiClient } from "../xapi/client.ts";
import { hasCode } from "../xapi/errors.ts";
import type { VmRecord } from "../xapi/records.ts";
import type { Inventory, OwnVm } from "./inventory.ts";
import type { Ownership } from "./ownership.ts";

export interface VmReadsOptions {
  readonly client: XapiClient;
  readonly inventory: Inventory;
  readonly ownership: Ownership;
  /** Called when a machine is no longer as the calls of this driver left it, which is `before`. */
  readonly onChangedSince: (before: OwnVm, after: OwnVm | undefined) => void;
}

export class VmReads {
  readonly #client: XapiClient;
  readonly #inventory: Inventory;
  readonly #ownership: Ownership;
  readonly #onChangedSince: VmReadsOptions["onChangedSince"];
  /** References of VMs that changed after their last read. */
  readonly #dirty = new Set<string>();

  constructor({ client, inventory, ownership, onChangedSince }: VmReadsOptions) {
    this.#client = client;
    this.#inventory = inventory;
    this.#ownership = ownership;
    this.#onChangedSince = onChangedSince;
  }

  /** Reads every VM of the pool into the inventory. */
  async fetchAll(): Promise<void> {
    const records = await this.#client.call("VM.get_all_records", []);
    await this.#ownership.learn(Object.values(records));
    this.#inventory.replaceAll(records);
  }

  /** Marks the VM as changed in the pool, so that its record in the inventory may be outdated. */
  markDirty(ref: string): void {
    this.#dirty.add(ref);
  }

  /** Returns whether the VM was marked as changed after its last read. */
  isDirty(ref: string): boolean {
    return this.#dirty.has(ref);
  }

  /**
   * Reads the VM's record into the inventory, and repeats the read if the VM changes meanwhile. Resolves with undefined
   * when the VM no longer exists or is not this agent's.
   */
  async refresh(ref: string): Promise<OwnVm | undefined> {
    try {
      do {
        this.#dirty.delete(ref);
        const record = await this.#client.call("VM.get_record", [ref]);
        await this.#ownership.learn([record]);
        this.#inventory.put(ref, record);
      } while (this.#dirty.has(ref));
    } catch (thrown) {
      if (!hasCode(thrown, "HANDLE_INVALID")) throw thrown;
      this.#inventory.remove(ref);
    }
    return this.#inventory.ownByRef(ref);
  }

  /**
   * Reads the VM's record after calls of this driver. `left` has the fields as these calls left them; the power state is
   * by default that in the inventory. A VM in another power state was changed since by another user of the pool, which
   * is reported.
   */
  async settle(ref: string, left: Partial<VmRecord> = {}): Promise<OwnVm | undefined> {
    const known = this.#inventory.ownByRef(ref);
    const after = await this.refresh(ref);
    const own = after ?? known;
    const power_state = left.power_state ?? known?.record.power_state;
    const isAsLeft = power_state === undefined || after?.record.power_state === power_state;
    if (own !== undefined && !isAsLeft)
      this.#onChangedSince({ ...own, record: { ...own.record, ...left, power_state } }, after);
    return after;
  }
}
