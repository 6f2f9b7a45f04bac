/**
 * Checks the stored guest states once a run has come to rest.
 */
import { blobsOf, type Vm } from "@bioxen/contracts";
import type { StoredEvent } from "@bioxen/kernel";
import type { MemoryBlobs } from "@bioxen/testkit/memory-blobs";
import { SHARING_QUANTUM_MS } from "../../services/chassis-agent/src/app/sharing.ts";
import { type SimProcess, SWEEP } from "./processes.ts";

/**
 * Checks that the stored states are those to which the log refers, and that no guest is behind its checkpoint. A state in
 * `excused` may be lost.
 */
export async function checkBlobs(
  { blobs, excused }: { readonly blobs: MemoryBlobs; readonly excused: ReadonlySet<string> },
  processes: readonly SimProcess[],
  vms: readonly [string, Vm][],
  nowMs: number,
  problem: (text: string) => void,
): Promise<void> {
  const stored = new Set(await blobs.list());
  for (const [vmId, vm] of vms) {
    for (const name of blobsOf(vmId, vm)) {
      if (!stored.delete(name) && !excused.has(name))
        problem(`${vmId} refers to ${name}, which is not stored`);
    }
    const samples = processes.map((process) => process.driver?.sample(vmId)?.simMinutes);
    const simMinutes = samples.find((minutes) => minutes !== undefined);
    if (vm.checkpoint !== null && simMinutes !== undefined && simMinutes < vm.checkpoint.simMinutes) {
      problem(
        `the guest of ${vmId} is at minute ${simMinutes}, its checkpoint at ${vm.checkpoint.simMinutes}`,
      );
    }
  }
  for (const name of stored) {
    const ageMs = nowMs - ((await blobs.storedAtMs(name)) ?? nowMs);
    // A stored state is an orphan when its report was refused, because the guest had been replaced. The sweep removes
    // it by age.
    if (ageMs >= SWEEP.orphanAgeMs + SWEEP.everyMs)
      problem(`${name} has been stored for ${ageMs} ms, and nothing refers to it`);
  }
}

/** Checks that no guest has passed a last minute that its VM has not reached in the log. */
export function checkLastMinutes(
  processes: readonly SimProcess[],
  vms: readonly [string, Vm][],
  problem: (text: string) => void,
): void {
  for (const [vmId, { until, untilReached }] of vms) {
    if (until === undefined || untilReached === true) continue;
    for (const { driver } of processes) {
      const minute = driver?.sample(vmId)?.simMinutes ?? 0;
      if (minute > until.simMinutes)
        problem(`the guest of ${vmId} is at minute ${minute}, its last one is ${until.simMinutes}`);
    }
  }
}

/**
 * Checks that a restored VM has advanced by no more than the time since its restore: a scripted guest lives a minute a
 * second.
 */
export function checkRestored(
  events: readonly StoredEvent[],
  nowMs: number,
  processes: readonly SimProcess[],
  problem: (text: string) => void,
): void {
  const restored = new Map<string, { readonly simMinutes: number; readonly atMs: number }>();
  for (const { envelope } of events) {
    if (envelope.type === "bioxen.vm.created.v1") restored.delete(envelope.subject);
    if (envelope.type !== "bioxen.vm.restored.v1") continue;
    const { simMinutes } = envelope.data as { readonly simMinutes: number };
    restored.set(envelope.subject, { simMinutes, atMs: Date.parse(envelope.time) });
  }
  for (const [subject, { simMinutes, atMs }] of restored) {
    const samples = processes.map((process) => process.driver?.sample(subject.slice("vm/".length)));
    const lived = samples.find((sample) => sample !== undefined)?.simMinutes;
    // The snapshot's minute is rounded down, and the guest's first tick also covers the time since the tick before.
    const most = simMinutes + 1 + (nowMs - atMs + SHARING_QUANTUM_MS) / 1_000;
    if (lived !== undefined && lived > most)
      problem(`${subject} was restored and is at minute ${lived}, later than ${most}`);
  }
}
