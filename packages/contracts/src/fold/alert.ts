/**
 * Folds the events of an alert rule into its state: the rule, its active alerts, and the notifications that are not
 * delivered yet.
 *
 * The event that raises or clears an alert also creates its notification, whose id derives from the id of that event.
 * A delivery that is repeated after a crash therefore has the same content and the same id.
 */
import type { EventPosition, Fold } from "@bioxen/kernel";
import type { AlertNotification, AlertRule, ClearingCode, DeadNotification } from "../alerts.ts";
import type { AlertEvent } from "../events/alert.ts";

export interface ActiveAlert {
  readonly sinceMs: number;
  readonly raisedAtMs: number;
  readonly value: number;
  readonly metric: string;
  readonly severity: AlertRule["severity"];
}

/** A notification without the field `ruleId`: the subject of the rule's events already contains the rule id. */
type Reported<Message extends AlertNotification> = Omit<Message, "ruleId">;

/** A notification that still has to be delivered. */
export interface OwedNotification extends Reported<AlertNotification> {
  /**
   * For the retry of a dead letter: the one webhook that receives this notification. Otherwise null: all webhooks and
   * deliverers receive it.
   */
  readonly webhook: string | null;
}

export interface AlertState {
  /** The alert rule; null when the rule was never set, or was removed. */
  readonly rule: AlertRule | null;
  /** Version of the rule when it was last set; 0 when it was never set, or was removed. Alerts do not change it. */
  readonly version: number;
  /**
   * True from the removal of the rule until the rule is set again. A default rule of the same name does not apply while
   * this is true.
   */
  readonly removed: boolean;
  /** The active alerts of the rule; the key is the alert's target. */
  readonly active: Readonly<Record<string, ActiveAlert>>;
  /** Notifications still to be delivered, oldest first. */
  readonly owed: readonly OwedNotification[];
  /** The notifications whose delivery failed permanently: the newest {@link MAX_DEAD_PER_RULE} of them. */
  readonly dead: readonly Reported<DeadNotification>[];
}

/**
 * Maximum number of dead letters that the state of one alert rule keeps. A person does not read more. Older ones stay
 * in the log.
 */
export const MAX_DEAD_PER_RULE = 100;

export const NO_ALERT: AlertState = Object.freeze({
  rule: null,
  version: 0,
  removed: false,
  active: {},
  owed: [],
  dead: [],
});

export const alertFold: Fold<AlertState> = {
  schema: 3,
  initial: NO_ALERT,
  evolve(state, untyped, at) {
    const event = untyped as AlertEvent;
    switch (event.type) {
      case "bioxen.alert.rule-set.v1":
        return { ...state, rule: event.data, version: at.version, removed: false };
      case "bioxen.alert.rule-removed.v1": {
        const ended = event.data.targets.flatMap((target) =>
          cleared(state, at, target, { value: null, code: "RULE_REMOVED" }, `${at.eventId}.${target}`),
        );
        return {
          ...state,
          rule: null,
          version: 0,
          removed: true,
          active: {},
          owed: [...state.owed, ...ended],
        };
      }
      case "bioxen.alert.raised.v1": {
        const { target, ...data } = event.data;
        const alert = { ...data, raisedAtMs: at.atMs };
        const notification = notificationOf(at, target, alert, {
          state: "raised",
          value: data.value,
          code: null,
        });
        return {
          ...state,
          active: { ...state.active, [target]: alert },
          owed: [...state.owed, notification],
        };
      }
      case "bioxen.alert.cleared.v1": {
        const { target, ...why } = event.data;
        const { [target]: _, ...active } = state.active;
        return { ...state, active, owed: [...state.owed, ...cleared(state, at, target, why)] };
      }
      case "bioxen.alert.notified.v1":
        return notified(state, event.data.notifications, at);
      case "bioxen.alert.retry-requested.v1": {
        const wanted = new Set(event.data.letters.map(keyOf));
        const again = state.dead.filter((letter) => wanted.has(keyOf(letter)));
        return {
          ...state,
          dead: state.dead.filter((letter) => !wanted.has(keyOf(letter))),
          owed: [...state.owed, ...again.map(owedAgain)],
        };
      }
    }
  },
};

const keyOf = ({ notificationId, webhook }: { notificationId: string; webhook: string }) =>
  `${notificationId} ${webhook}`;

function owedAgain({
  attempts: _,
  reason: __,
  diedAtMs: ___,
  ...notification
}: Reported<DeadNotification>): OwedNotification {
  return notification;
}

function notificationOf(
  at: EventPosition,
  target: string,
  alert: ActiveAlert,
  happened: Pick<AlertNotification, "state" | "value" | "code">,
  notificationId = at.eventId,
): OwedNotification {
  const { sinceMs, metric, severity } = alert;
  return { notificationId, severity, metric, target, sinceMs, atMs: at.atMs, ...happened, webhook: null };
}

function cleared(
  state: AlertState,
  at: EventPosition,
  target: string,
  why: { readonly value: number | null; readonly code: ClearingCode },
  notificationId = at.eventId,
): OwedNotification[] {
  const alert = state.active[target];
  return alert === undefined
    ? []
    : [notificationOf(at, target, alert, { state: "cleared", ...why }, notificationId)];
}

type Notified = Extract<AlertEvent, { type: "bioxen.alert.notified.v1" }>["data"]["notifications"];

function notified(state: AlertState, notifications: Notified, at: EventPosition): AlertState {
  const results = new Map(notifications.map((one) => [one.notificationId, one.undelivered]));
  const died: Reported<DeadNotification>[] = [];
  for (const owed of state.owed) {
    for (const failure of results.get(owed.notificationId) ?? []) {
      if (owed.webhook === null || owed.webhook === failure.webhook)
        died.push({ ...owed, ...failure, diedAtMs: at.atMs });
    }
  }
  return {
    ...state,
    owed: state.owed.filter((one) => !results.has(one.notificationId)),
    dead: [...state.dead, ...died].slice(-MAX_DEAD_PER_RULE),
  };
}
