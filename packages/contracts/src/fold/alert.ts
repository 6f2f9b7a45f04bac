/**
 * The meaning of an alert rule's events: the rule, its active alerts, and the notifications that are not delivered yet.
 *
 * The event that raises or clears an alert creates its notification, under the event's id. So a delivery that is
 * repeated after a crash has the same content and the same id.
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

/** A notification without its rule id, which the subject of the event stream names. */
type Reported<Message extends AlertNotification> = Omit<Message, "ruleId">;

/** A notification that still has to be delivered. */
export interface OwedNotification extends Reported<AlertNotification> {
  /** The only webhook that gets it, when a dead letter is retried; null: every deliverer. */
  readonly webhook: string | null;
}

export interface AlertState {
  /** null when the rule was never set, or was removed. */
  readonly rule: AlertRule | null;
  /**
   * True once the rule is removed and until it is set again. A default rule of this name does not apply in that time.
   */
  readonly removed: boolean;
  /** Active alerts by target. */
  readonly active: Readonly<Record<string, ActiveAlert>>;
  /** Notifications still to be delivered, oldest first. */
  readonly owed: readonly OwedNotification[];
  /** The newest {@link MAX_DEAD_PER_RULE} dead letters. */
  readonly dead: readonly Reported<DeadNotification>[];
}

/** Maximum number of dead letters kept per rule. A person does not read more, and the log has all of them. */
export const MAX_DEAD_PER_RULE = 100;

export const NO_ALERT: AlertState = Object.freeze({
  rule: null,
  removed: false,
  active: {},
  owed: [],
  dead: [],
});

export const alertFold: Fold<AlertState> = {
  schema: 1,
  initial: NO_ALERT,
  evolve(state, untyped, at) {
    const event = untyped as AlertEvent;
    switch (event.type) {
      case "bioxen.alert.rule-set.v1":
        return { ...state, rule: event.data, removed: false };
      case "bioxen.alert.rule-removed.v1": {
        const ended = event.data.targets.flatMap((target) =>
          cleared(state, at, target, { value: null, code: "RULE_REMOVED" }, `${at.eventId}.${target}`),
        );
        return { ...state, rule: null, removed: true, active: {}, owed: [...state.owed, ...ended] };
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
