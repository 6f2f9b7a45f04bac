/**
 * A record of each chassis, to check the order of its events: the chassis is registered first, and is lost before it
 * recovers.
 */
import type { ChassisEvent, LeftObject } from "@bioxen/contracts";

interface ChassisRecord {
  registered: boolean;
  lost: boolean;
  everLost: boolean;
  /** Uuids of the machines whose deletion was requested and has not ended. */
  readonly deleting: Set<string>;
  /** By uuid: whether the agent still tries to remove the object that the pool keeps. */
  readonly left: Map<string, boolean>;
}

export class ChassisRecords {
  readonly #records = new Map<string, ChassisRecord>();

  /** Applies the event and returns one sentence about the rule that it violates; undefined when it violates none. */
  observe(chassisId: string, event: ChassisEvent): string | undefined {
    const { type } = event;
    const record = this.#records.get(chassisId) ?? {
      registered: false,
      lost: false,
      everLost: false,
      deleting: new Set<string>(),
      left: new Map<string, boolean>(),
    };
    this.#records.set(chassisId, record);
    if (type === "bioxen.chassis.registered.v1") {
      const problem = record.registered ? "it is registered already" : undefined;
      record.registered = true;
      record.lost = false;
      record.deleting.clear();
      record.left.clear();
      return problem;
    }
    if (!record.registered) return `${type} of a chassis that is not registered`;
    if (type === "bioxen.chassis.removed.v1") record.registered = false;
    if (type === "bioxen.chassis.lost.v1") {
      if (record.lost) return "it is lost already";
      record.lost = true;
      record.everLost = true;
    }
    if (type === "bioxen.chassis.recovered.v1") {
      if (!record.lost) return "it recovers without having been lost";
      record.lost = false;
    }
    if (type === "bioxen.chassis.machine-deletion-requested.v1") {
      if (record.deleting.has(event.data.uuid))
        return `the machine ${event.data.uuid} is being deleted already`;
      record.deleting.add(event.data.uuid);
    }
    if (type === "bioxen.chassis.machine-deletion-ended.v1" && !record.deleting.delete(event.data.uuid)) {
      return `the deletion of the machine ${event.data.uuid} ends without having been requested`;
    }
    if (type === "bioxen.chassis.removal-failed.v1") return failedRemoval(record, event.data);
    if (type === "bioxen.chassis.removal-completed.v1" && !record.left.delete(event.data.uuid)) {
      return `the removal of the ${event.data.kind} ${event.data.uuid} is completed without having failed`;
    }
    return undefined;
  }

  /** True when the chassis was lost at least once. */
  wasLost(chassisId: string): boolean {
    return this.#records.get(chassisId)?.everLost === true;
  }
}

function failedRemoval({ left }: ChassisRecord, { kind, uuid, nextTryAtMs }: LeftObject): string | undefined {
  const isTried = nextTryAtMs !== null;
  if (left.get(uuid) === isTried) return `the failed removal of the ${kind} ${uuid} is recorded already`;
  left.set(uuid, isTried);
  return undefined;
}
