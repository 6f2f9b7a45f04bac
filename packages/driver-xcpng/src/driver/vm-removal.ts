/**
 * Removes VMs of the pool with their snapshots and disks.
 *
 * Disks are destroyed before the record that names them, so that a repeated removal still finds the remaining ones. A
 * disk that another VM uses as well is kept.
 */
import type { XapiClient } from "../xapi/client.ts";
import { hasCode } from "../xapi/errors.ts";
import type { VmRecord } from "../xapi/records.ts";
import { NULL_REF } from "../xapi/ref.ts";

export class VmRemoval {
  readonly #client: XapiClient;
  readonly #switchOff: (ref: string) => Promise<void>;

  /** `switchOff` halts a running VM at once. */
  constructor(client: XapiClient, switchOff: (ref: string) => Promise<void>) {
    this.#client = client;
    this.#switchOff = switchOff;
  }

  /** Removes a VM, whatever its power state, with its snapshots. Idempotent. */
  async destroy(ref: string): Promise<void> {
    const record = await this.#present(ref);
    if (record === undefined) return;
    if (record.power_state !== "Halted") await this.#switchOff(ref);
    for (const snapshot of record.snapshots) await this.destroyHalted(snapshot);
    await this.destroyHalted(ref);
  }

  /** Removes a halted VM or a snapshot with its disks and its memory image. Idempotent. */
  async destroyHalted(ref: string): Promise<void> {
    const record = await this.#present(ref);
    if (record === undefined) return;
    const disks = await Promise.all(record.VBDs.map((vbd) => this.#ownDisk(vbd)));
    for (const vdi of [...disks, record.suspend_VDI]) {
      if (vdi !== undefined && vdi !== NULL_REF) await unlessMissing(this.#client.call("VDI.destroy", [vdi]));
    }
    await unlessMissing(this.#client.call("VM.destroy", [ref]));
  }

  #present(ref: string): Promise<VmRecord | undefined> {
    return unlessMissing(this.#client.call("VM.get_record", [ref]));
  }

  /** Resolves with the disk behind a VBD; undefined when another VM uses the disk too, or when the VBD has no disk. */
  async #ownDisk(vbd: string): Promise<string | undefined> {
    const record = await unlessMissing(this.#client.call("VBD.get_record", [vbd]));
    if (record === undefined || record.type !== "Disk" || record.empty || record.VDI === NULL_REF)
      return undefined;
    const disk = await unlessMissing(this.#client.call("VDI.get_record", [record.VDI]));
    return disk !== undefined && disk.VBDs.length <= 1 ? record.VDI : undefined;
  }
}

/** Resolves with the result of `call`, or with undefined when the object of the call is missing in the pool. */
async function unlessMissing<T>(call: Promise<T>): Promise<T | undefined> {
  return call.catch((thrown) => {
    if (hasCode(thrown, "HANDLE_INVALID")) return undefined;
    throw thrown;
  });
}
