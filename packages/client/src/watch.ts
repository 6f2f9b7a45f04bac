/**
 * News of one VM as an async iteration: its events and its measurements, in the order they arrive.
 */
import { eventSubject, type VmSample, vmTelemetrySubject } from "@bioxen/contracts";
import type { EventEnvelope } from "@bioxen/kernel";
import type { Bus } from "@bioxen/nats/client";

export type VmNews =
  | { readonly kind: "event"; readonly event: EventEnvelope }
  | { readonly kind: "sample"; readonly sample: VmSample };

/** News kept for a slow reader; beyond it the oldest measurements go, never events. */
const MAX_WAITING = 1_000;

/** Listens from the first `next()` until `return()`, which `break` calls. */
export async function* watchVm(bus: Bus, vmId: string): AsyncGenerator<VmNews, void, undefined> {
  const waiting: VmNews[] = [];
  let wake: () => void = () => undefined;
  const push = (news: VmNews) => {
    waiting.push(news);
    if (waiting.length > MAX_WAITING) {
      const oldest = waiting.findIndex((one) => one.kind === "sample");
      if (oldest >= 0) waiting.splice(oldest, 1);
    }
    wake();
  };
  const subscriptions = [
    bus.subscribe(eventSubject("vm", vmId), (payload) =>
      push({ kind: "event", event: payload as EventEnvelope }),
    ),
    bus.subscribe(vmTelemetrySubject(vmId), (payload) =>
      push({ kind: "sample", sample: payload as VmSample }),
    ),
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
