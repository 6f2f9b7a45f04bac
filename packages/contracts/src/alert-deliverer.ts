/**
 * The port through which an alert leaves BioXen by a way of somebody else's: mail, a pager, a file.
 *
 * The monitor calls it for what was raised and cleared, in the order of each rule, one at a time, at least once: the same
 * `notificationId` may come again after a crash and should have one effect. Failed tries are repeated with waits, six times; then
 * the notification is a dead letter in the log, unless the failure is `permanent`, when it is one at once.
 */
import type { AlertNotification } from "./alerts.ts";

/** What became of one try. `permanent`: another would end the same way. */
export type Delivered =
  | { readonly kind: "taken" }
  | { readonly kind: "failed"; readonly reason: string; readonly permanent: boolean };

export interface AlertDeliverer {
  /** Resolves before `signal` aborts; afterwards the try has failed whatever it does. */
  deliver(notification: AlertNotification, signal: AbortSignal): Promise<Delivered>;
}
