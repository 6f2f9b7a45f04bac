/**
 * The guest states that a log refers to, folded from the copied events, and those of them that a backup lacks.
 */
import {
  aggregateOf,
  blobOf,
  blobSubject,
  checkpointsOf,
  decodeMessage,
  eventSubject,
  SkippedMessages,
  type VmState,
  vmFold,
} from "@bioxen/contracts";
import { isUnreadable, ReadModel, type StreamMessage } from "@bioxen/kernel";
import type { LiveObjects } from "./live-objects.ts";

export interface Reference {
  readonly subject: string;
  readonly sha256: string;
}

/** Returns the guest states that the VMs refer to after the last event. `events` reads the copied log from its begin. */
export async function referencesOf(events: () => AsyncIterable<StreamMessage>): Promise<Reference[]> {
  const skips = new SkippedMessages();
  // A skip stands in the log after the message that it leaves out.
  for await (const { seq, subject, data } of events()) {
    if (subject === skips.streamSubject) skips.observe(decodeMessage(data, seq, subject));
  }
  const vms = new ReadModel<VmState>("vm", vmFold);
  const prefix = eventSubject("vm", "");
  for await (const { seq, subject, data } of events()) {
    if (!subject.startsWith(prefix) || skips.has(seq)) continue;
    const message = decodeMessage(data, seq, subject);
    if (isUnreadable(message)) vms.setAside(subject.slice(prefix.length), message);
    else if (aggregateOf(message.envelope.subject).kind === "vm") vms.apply(message);
  }
  return [...vms.entries()].flatMap(([vmId, state]) => {
    const records = state.exists ? checkpointsOf(state) : [];
    return records.map((record) => ({
      subject: blobSubject(blobOf(vmId, record)),
      sha256: record.sha256,
    }));
  });
}

/** Returns the references whose content the backup does not have. */
export function unresolved(references: readonly Reference[], objects: LiveObjects): Reference[] {
  return references.filter(({ subject, sha256 }) => objects.get(subject)?.sha256 !== sha256);
}
