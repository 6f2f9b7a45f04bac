/**
 * What every alert deliverer must do.
 */
import { type AlertDeliverer, type AlertNotification, alertNotification } from "@bioxen/contracts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

/** As the monitor gives it, ms. */
const TIMEOUT_MS = 5_000;

export interface DelivererUnderTest {
  readonly deliverer: AlertDeliverer;
  /** Ids of what arrived where it delivers to, in order; one that arrived twice may be there once or twice. */
  arrived(): Promise<readonly string[]>;
  /** From now on what it delivers to is out of reach. */
  cutOff(): Promise<void> | void;
  close(): Promise<void> | void;
}

function told(notificationId: string, state: "raised" | "cleared" = "raised"): AlertNotification {
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

    it("what it has taken has arrived, raised and cleared, in order", async () => {
      expect(await deliver(told("n-1"))).toEqual({ kind: "taken" });
      expect(await deliver(told("n-2", "cleared"))).toEqual({ kind: "taken" });
      expect(await under.arrived()).toEqual(["n-1", "n-2"]);
    });

    it("takes the same notification again: a crash repeats it", async () => {
      await deliver(told("n-1"));
      expect(await deliver(told("n-1"))).toEqual({ kind: "taken" });
      expect(new Set(await under.arrived())).toEqual(new Set(["n-1"]));
    });

    it("says that it failed, in words, when it cannot; it does not throw and does not hang", async () => {
      await under.cutOff();
      const delivered = await deliver(told("n-1"));
      expect(delivered).toMatchObject({ kind: "failed", permanent: expect.any(Boolean) });
      expect(delivered.kind === "failed" && delivered.reason.length).toBeGreaterThan(3);
    });

    it("changes nothing in what it is given", async () => {
      const notification = told("n-1");
      const before = structuredClone(notification);
      await deliver(notification);
      expect(notification).toEqual(before);
    });
  });
}
