/**
 * Live news of one VM as an async iteration: its events and measurements, in the order of their arrival.
 */
import { type VmSample, vmSubjectsFor } from "@bioxen/contracts";
import type { EventEnvelope } from "@bioxen/kernel";
import { type Bus, tenantOf } from "@bioxen/nats/client";

export type VmNews =
  | { readonly kind: "event"; readonly event: EventEnvelope }
  | { readonly kind: "sample"; readonly sample: VmSample };

/**
 * Maximum number of events and measurements buffered for a slow reader. Above this number, the oldest measurements are
 * dropped; events are never dropped.
 */
const MAX_WAITING = 1_000;

/**
 * Returns the live news of one VM. Subscribes at the first `next()`, and unsubscribes at `return()`, which `break`
 * calls.
 */
export async function* watchVm(bus: Bus, vmId: string): AsyncGenerator<VmNews, void, undefined> {
  const waiting: VmNews[] = [];
  let wake: () => void = () => undefined;
  const push = (news: VmNews) => {
    waiting.push(news);
    if (waiting.length > MAX_WAITING) {
      const oldest = waiting.findIndex((item) => item.kind === "sample");
      if (oldest >= 0) waiting.splice(oldest, 1);
    }
    wake();
  };
  const { events, telemetry } = vmSubjectsFor(await tenantOf(bus), vmId);
  const subscriptions = [
    bus.subscribe(events, (payload) => push({ kind: "event", event: payload as EventEnvelope })),
    bus.subscribe(telemetry, (payload) => push({ kind: "sample", sample: payload as VmSample })),
  ];
  try {
    for (;;) {
      const next = waiting.shift();
      if (next !== undefined) yield next;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    for (const subscription of subscriptions) subscription.stop();
  }
}
