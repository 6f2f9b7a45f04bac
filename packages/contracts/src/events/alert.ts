/**
 * The events of an alert rule and its alerts. The aggregate is the rule; its state includes its active alerts, the
 * notifications still to be delivered, and the dead letters.
 */
import * as z from "zod";
import { ALERT_SEVERITIES, CLEARING_CODES, recordedAlertRule } from "../alerts.ts";

export const ALERT_EVENTS = {
  /** The rule was created or replaced. Its active alerts stay, and are evaluated by the new rule from now on. */
  "bioxen.alert.rule-set.v1": recordedAlertRule,
  /** The rule was removed. Its active alerts, one for each of `targets`, ended with it. */
  "bioxen.alert.rule-removed.v1": z.object({ targets: z.array(z.string()) }),
  /**
   * An alert was raised: the value has been beyond the threshold since `sinceMs`, for at least the rule's hold time.
   */
  "bioxen.alert.raised.v1": z.object({
    target: z.string(),
    metric: z.string(),
    severity: z.enum(ALERT_SEVERITIES),
    value: z.int(),
    sinceMs: z.int(),
  }),
  /** The alert ended. `value` is null when the target no longer has a value. */
  "bioxen.alert.cleared.v1": z.object({
    target: z.string(),
    value: z.int().nullable(),
    code: z.enum(CLEARING_CODES),
  }),
  /**
   * The notifications were sent. Each notification was published, and was delivered to every webhook that is not in
   * `undelivered`. For the webhooks in `undelivered`, every delivery attempt has failed.
   */
  "bioxen.alert.notified.v1": z.object({
    notifications: z
      .array(
        z.object({
          notificationId: z.string(),
          undelivered: z.array(
            z.object({ webhook: z.string(), attempts: z.int().min(0), reason: z.string() }),
          ),
        }),
      )
      .min(1),
  }),
  /** An operator asked for these dead letters to be delivered again. */
  "bioxen.alert.retry-requested.v1": z.object({
    letters: z.array(z.object({ notificationId: z.string(), webhook: z.string() })).min(1),
  }),
} as const;

export type AlertEvent = {
  [T in keyof typeof ALERT_EVENTS]: { readonly type: T; readonly data: z.infer<(typeof ALERT_EVENTS)[T]> };
}[keyof typeof ALERT_EVENTS];
