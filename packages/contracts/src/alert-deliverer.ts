/**
 * The port for alert delivery by a plug-in: mail, a pager, a file.
 *
 * The monitor calls the deliverer for each raised or cleared alert, in order within a rule and one at a time. Delivery
 * is at least once: the same `notificationId` may come again after a crash and should have one effect. A failed attempt
 * is repeated with increasing waits. After six failed attempts, or after one `permanent` failure, the notification
 * becomes a dead letter in the log.
 */
import type { AlertNotification } from "./alerts.ts";

/** The outcome of one attempt. `permanent` is true when a further attempt would fail in the same way. */
export type Delivered =
  | { readonly kind: "taken" }
  | { readonly kind: "failed"; readonly reason: string; readonly permanent: boolean };

export interface AlertDeliverer {
  /**
   * Delivers one notification. Must resolve before `signal` aborts; otherwise the attempt counts as failed, whatever
   * the method returns later.
   */
  deliver(notification: AlertNotification, signal: AbortSignal): Promise<Delivered>;
}
