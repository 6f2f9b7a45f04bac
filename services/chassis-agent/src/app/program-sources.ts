/**
 * Reads the sources of programs that a guest has to run again: the state of a VM names their events only, because a source
 * may have 64 KiB.
 */
import { type CellChange, eventSubject } from "@bioxen/contracts";
import { type EventLog, Fault } from "@bioxen/kernel";
import type { GuestChange } from "@bioxen/vm-driver";

/** Returns the changes with the sources of their programs, in the same order. Rejects with `Fault` UNAVAILABLE. */
export async function withSources(
  log: Pick<EventLog, "read">,
  vmId: string,
  changes: readonly CellChange[],
): Promise<GuestChange[]> {
  const seqs = changes.flatMap(({ seq, program }) => (program === undefined ? [] : [seq]));
  const [first, last] = [seqs.at(0), seqs.at(-1)];
  if (first === undefined || last === undefined) return changes.map(withoutProgram);
  const events = await log.read(eventSubject("vm", vmId), first - 1, last);
  const sources = new Map(events.map(({ seq, envelope }) => [seq, sourceOf(envelope.data)]));
  return changes.map((change) => {
    if (change.program === undefined) return withoutProgram(change);
    const source = sources.get(change.seq);
    if (source === undefined) {
      const message = `the log did not return the program of ${vmId} with sequence ${change.seq}`;
      throw new Fault("UNAVAILABLE", message, { retryable: true });
    }
    return { ...change, program: { ...change.program, source } };
  });
}

function withoutProgram({ program: _, ...change }: CellChange): GuestChange {
  return change;
}

function sourceOf(data: unknown): string | undefined {
  const { source } = data as { readonly source?: unknown };
  return typeof source === "string" ? source : undefined;
}
