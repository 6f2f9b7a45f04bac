/**
 * What can have happened to an alert rule and to the alerts under it. The aggregate is the rule: its alerts, what its deliverers are
 * owed and what they never took are its state.
 */
import { z } from "zod";
import { ALERT_SEVERITIES, CLEARING_CODES, recordedAlertRule } from "../alerts.ts";

export const ALERT_EVENTS = {
  /** Set for the first time, or anew. Its alerts stay, and are judged by it from now on. */
  "bioxen.alert.rule-set.v1": recordedAlertRule,
  /** Its alerts end with it: those on `targets`. */
  "bioxen.alert.rule-removed.v1": z.object({ targets: z.array(z.string()) }),
  /** The value has been beyond the threshold since `sinceMs`, for as long as the rule asks. */
  "bioxen.alert.raised.v1": z.object({
    target: z.string(),
    metric: z.string(),
    severity: z.enum(ALERT_SEVERITIES),
    value: z.int(),
    sinceMs: z.int(),
  }),
  /** `value` is null when the target has none any more. */
  "bioxen.alert.cleared.v1": z.object({
    target: z.string(),
    value: z.int().nullable(),
    code: z.enum(CLEARING_CODES),
  }),
  /** Each was published, and each webhook took it but those named: they were tried as often as the limit allows. */
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
  /** These dead letters are to be delivered again. */
  "bioxen.alert.retry-requested.v1": z.object({
    letters: z.array(z.object({ notificationId: z.string(), webhook: z.string() })).min(1),
  }),
} as const;

export type AlertEvent = {
  [T in keyof typeof ALERT_EVENTS]: { readonly type: T; readonly data: z.infer<(typeof ALERT_EVENTS)[T]> };
}[keyof typeof ALERT_EVENTS];
