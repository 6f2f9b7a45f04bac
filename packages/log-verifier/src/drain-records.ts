/**
 * A record of each chassis's drain, to check its events against the documented protocol (docs/moving.md).
 *
 * A chassis has one drain at a time. A drain names VMs at its start and as it progresses. Before it is completed, each
 * named VM leaves exactly once. No VM is recorded as having left while it is on the chassis.
 */
import type { DrainEvent } from "@bioxen/contracts";

interface DrainRecord {
  isOpen: boolean;
  wasCordoned: boolean;
  readonly named: Set<string>;
  readonly left: Set<string>;
}

export class DrainRecords {
  readonly #records = new Map<string, DrainRecord>();

  /**
   * Applies the event and returns one sentence for each rule that it violates. `livesHere` returns true when a VM is on
   * this chassis at the moment of the event.
   */
  observe(chassisId: string, body: DrainEvent, livesHere: (vmId: string) => boolean): string[] {
    const record = this.#records.get(chassisId);
    if (body.type === "bioxen.drain.started.v1") {
      const { vmIds, wasCordoned } = body.data;
      this.#records.set(chassisId, { isOpen: true, wasCordoned, named: new Set(vmIds), left: new Set() });
      return record?.isOpen === true ? ["it is being drained already"] : [];
    }
    if (record?.isOpen !== true) return [`${body.type} without a drain under way`];
    const problems: string[] = [];
    if ("left" in body.data) {
      for (const { vmId } of body.data.left) {
        if (!record.named.has(vmId)) problems.push(`${vmId} left, but the drain never named it`);
        if (record.left.has(vmId)) problems.push(`${vmId} left a second time`);
        if (livesHere(vmId)) problems.push(`${vmId} is recorded as having left, but is still there`);
        record.left.add(vmId);
      }
    }
    if (body.type === "bioxen.drain.progressed.v1") {
      for (const vmId of body.data.joined) {
        if (record.named.has(vmId)) problems.push(`${vmId} joined a second time`);
        record.named.add(vmId);
      }
      return problems;
    }
    record.isOpen = false;
    if (body.type === "bioxen.drain.completed.v1") {
      const still = [...record.named].filter((vmId) => !record.left.has(vmId));
      if (still.length > 0) problems.push(`it is completed, but no event says that ${still.join(", ")} left`);
    }
    if (body.type === "bioxen.drain.cancelled.v1" && body.data.uncordons === record.wasCordoned) {
      problems.push("it lifts a cordon that is not its own, or leaves its own in place");
    }
    return problems;
  }
}
