/** Records of machines in a pool, and the driver's inventory of them. */
import { Inventory } from "../src/driver/inventory.ts";
import { Ownership } from "../src/driver/ownership.ts";
import { type Tags, tagged } from "../src/driver/tags.ts";
import type { VmRecord } from "../src/xapi/records.ts";
import { ownerOf } from "./fleet.ts";

export const owner = ownerOf("test");

/** A record of the machine of x1 under this fence; `uuid` tells two machines of one VM apart. */
export function record(fence: number, fields: Partial<VmRecord> = {}, uuid = "uuid-1"): VmRecord {
  return recordOf("x1", fence, { uuid, ...fields });
}

/** A record of the machine of this VM under this fence. */
export function recordOf(vmId: string, fence: number, fields: Partial<VmRecord>): VmRecord {
  const plain = {
    uuid: `uuid-${vmId}`,
    name_label: "",
    power_state: "Running",
    is_a_template: false,
    is_a_snapshot: false,
    snapshot_of: "OpaqueRef:NULL",
    tags: [],
    other_config: { "bioxen:ran": String(fence) },
    xenstore_data: {},
    ha_restart_priority: "",
    ha_always_run: false,
    ...fields,
  } as unknown as VmRecord;
  const reservation = `reservation-${vmId}-${fence}`;
  const tags: Tags = {
    vmId,
    incarnation: 1,
    fence,
    reservation,
    graceMs: 0,
    restores: 0,
    cellDue: false,
  };
  const other_config = { ...tagged(plain, owner, tags), "bioxen:ran": String(fence) };
  return { ...plain, other_config };
}

/** An inventory that has read these records, with its owner, and a function that reads one record again. */
export async function inventoryWith(records: Readonly<Record<string, VmRecord>>) {
  const ownership = new Ownership(owner);
  const inventory = new Inventory(ownership);
  await ownership.learn(Object.values(records));
  inventory.replaceAll(records);
  const read = async (ref: string, now: VmRecord): Promise<void> => {
    await ownership.learn([now]);
    inventory.put(ref, now);
  };
  return { inventory, ownership, read };
}
