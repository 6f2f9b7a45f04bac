/**
 * The machines in the pool that a BioXen made and that do not belong to this agent. The agent lists them and leaves them
 * alone, until an operator decides that it takes one over.
 */
import { DriverError, type Orphan } from "@bioxen/vm-driver";
import type { XapiClient } from "../xapi/client.ts";
import { hasCode } from "../xapi/errors.ts";
import type { VmRecord } from "../xapi/records.ts";
import { type Inventory, type OwnVm, powerStateOf } from "./inventory.ts";
import { MIB } from "./limits.ts";
import type { Ownership } from "./ownership.ts";
import type { PoolVms } from "./pool-vms.ts";
import { originOf, type Tags } from "./tags.ts";

export interface OrphansOptions {
  readonly client: XapiClient;
  readonly inventory: Inventory;
  readonly ownership: Ownership;
  readonly vms: Pick<PoolVms, "takeOver">;
}

export class Orphans {
  readonly #options: OrphansOptions;

  constructor(options: OrphansOptions) {
    this.#options = options;
  }

  /** Returns the orphans in the pool, in order of uuid. */
  list(): readonly Orphan[] {
    const orphans = [...this.#options.inventory.entries()].flatMap(([ref, record]) => {
      const cause = this.#causeOf(ref, record);
      return cause === undefined ? [] : [orphanOf(record, cause)];
    });
    return orphans.sort((a, b) => (a.uuid < b.uuid ? -1 : 1));
  }

  /** Resolves with whether the pool has a machine with this uuid now. */
  async has(uuid: string): Promise<boolean> {
    const { client, inventory } = this.#options;
    const ref = [...inventory.entries()].find(([, record]) => record.uuid === uuid)?.[0];
    return ref !== undefined && (await present(client, ref)) !== undefined;
  }

  /**
   * Makes an orphan a machine of this agent, with these tags. A machine that is up stays up. Rejects with `BAD_REQUEST`
   * when the pool has no orphan with this uuid now.
   */
  async takeOver(uuid: string, tags: Tags): Promise<OwnVm> {
    const { client, inventory, ownership, vms } = this.#options;
    const ref = [...inventory.entries()].find(([, record]) => record.uuid === uuid)?.[0];
    const record = ref === undefined ? undefined : await present(client, ref);
    if (ref === undefined || record === undefined)
      throw new DriverError(
        "BAD_REQUEST",
        `the pool has no machine ${uuid}: list them with bioxen pool orphans`,
      );
    await ownership.learn([record]);
    inventory.put(ref, record);
    if (this.#causeOf(ref, record) === undefined) {
      const why =
        originOf(record) === undefined ? "no BioXen has made it" : "it belongs to this agent already";
      throw new DriverError("BAD_REQUEST", `the machine ${uuid} is no orphan: ${why}`);
    }
    return vms.takeOver(ref, record, tags);
  }

  #causeOf(ref: string, record: VmRecord): Orphan["cause"] | undefined {
    const { inventory, ownership } = this.#options;
    const tags = ownership.tagsOf(record);
    if (tags === undefined) return ownership.orphanCause(record);
    return inventory.own(tags.vmId)?.ref === ref ? undefined : "duplicate";
  }
}

function orphanOf(record: VmRecord, cause: Orphan["cause"]): Orphan {
  const { clusterId, agentId = "", vmId = "", incarnation = 0, fence = 0 } = originOf(record) ?? {};
  return {
    uuid: record.uuid,
    name: record.name_label,
    vmId,
    clusterId: clusterId ?? null,
    agentId,
    incarnation,
    fence,
    state: powerStateOf(record),
    resources: {
      vcpus: Math.max(1, Number(record.VCPUs_at_startup)),
      memoryMiB: Math.floor(Number(record.memory_dynamic_max) / MIB),
    },
    cause,
  };
}

async function present(client: XapiClient, ref: string): Promise<VmRecord | undefined> {
  return client.call("VM.get_record", [ref]).catch((thrown) => {
    if (hasCode(thrown, "HANDLE_INVALID")) return undefined;
    throw thrown;
  });
}
