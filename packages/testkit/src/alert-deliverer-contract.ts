/**
 * The contract of every alert deliverer, as a suite to run in the tests of its package.
 */
import { type AlertDeliverer, type AlertNotification, alertNotification } from "@bioxen/contracts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

/** The time that the monitor gives a deliverer for one notification, ms. */
const TIMEOUT_MS = 5_000;

export interface DelivererUnderTest {
  readonly deliverer: AlertDeliverer;
  /** Ids of the notifications that arrived at the destination, in order. A repeated one may be listed once or twice. */
  arrived(): Promise<readonly string[]>;
  /** Makes the destination unreachable from now on. */
  cutOff(): Promise<void> | void;
  close(): Promise<void> | void;
}

function notificationOf(notificationId: string, state: "raised" | "cleared" = "raised"): AlertNotification {
  return alertNotification.parse({
    notificationId,
    ruleId: "slow-cells",
    state,
    severity: "warning",
    metric: "vm.growthPermille",
    target: "c1",
    value: state === "raised" ? 412 : null,
    sinceMs: 1_000,
    atMs: 2_000,
    code: state === "raised" ? null : "RECOVERED",
  });
}

export function alertDelivererContract(name: string, open: () => Promise<DelivererUnderTest>): void {
  describe(`alert deliverer ${name}`, () => {
    let under: DelivererUnderTest;
    beforeEach(async () => {
      under = await open();
    });
    afterEach(() => under.close());
    const deliver = (notification: AlertNotification) =>
      under.deliverer.deliver(notification, AbortSignal.timeout(TIMEOUT_MS));

    it("delivers raised and cleared alerts in order before it answers taken", async () => {
      expect(await deliver(notificationOf("n-1"))).toEqual({ kind: "taken" });
      expect(await deliver(notificationOf("n-2", "cleared"))).toEqual({ kind: "taken" });
      expect(await under.arrived()).toEqual(["n-1", "n-2"]);
    });

    it("takes the same notification again, because a crash of the monitor repeats it", async () => {
      await deliver(notificationOf("n-1"));
      expect(await deliver(notificationOf("n-1"))).toEqual({ kind: "taken" });
      expect(new Set(await under.arrived())).toEqual(new Set(["n-1"]));
    });

    it("answers failed, with the reason in words, when the destination is unreachable; it neither throws nor hangs", async () => {
      await under.cutOff();
      const delivered = await deliver(notificationOf("n-1"));
      expect(delivered).toMatchObject({ kind: "failed", permanent: expect.any(Boolean) });
      expect(delivered.kind === "failed" && delivered.reason.length).toBeGreaterThan(3);
    });

    it("does not change the notification", async () => {
      const notification = notificationOf("n-1");
      const before = structuredClone(notification);
      await deliver(notification);
      expect(notification).toEqual(before);
    });
  });
}
