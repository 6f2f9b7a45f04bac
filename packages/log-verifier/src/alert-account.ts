/**
 * The account of one alert rule: its raised alerts, the notifications still to be delivered, and the dead letters.
 */
import type { AlertEvent } from "@bioxen/contracts";

export class AlertAccount {
  #isSet = false;
  /** Targets for which an alert of this rule is raised. */
  readonly #raised = new Set<string>();
  /** Ids of notifications that are still to be delivered. */
  readonly #undelivered = new Set<string>();
  /** Permanently failed deliveries (dead letters), each as the text `notificationId webhook`. */
  readonly #dead = new Set<string>();

  /** Applies the event to the account and returns one sentence for each rule that the event violates. */
  observe(eventId: string, body: AlertEvent): string[] {
    switch (body.type) {
      case "bioxen.alert.rule-set.v1":
        this.#isSet = true;
        return [];
      case "bioxen.alert.rule-removed.v1": {
        const named = [...body.data.targets].sort().join(" ");
        const raised = [...this.#raised].sort().join(" ");
        for (const target of this.#raised) this.#undelivered.add(`${eventId}.${target}`);
        this.#raised.clear();
        this.#isSet = false;
        if (named === raised) return [];
        return [`the removal ends the alerts on ${named || "no target"}; raised were ${raised || "none"}`];
      }
      case "bioxen.alert.raised.v1": {
        const { target } = body.data;
        const problems = [];
        if (!this.#isSet) problems.push(`an alert on ${target} is raised without a rule`);
        if (this.#raised.has(target)) problems.push(`an alert on ${target} is raised a second time`);
        this.#raised.add(target);
        this.#undelivered.add(eventId);
        return problems;
      }
      case "bioxen.alert.cleared.v1": {
        const { target } = body.data;
        this.#undelivered.add(eventId);
        return this.#raised.delete(target) ? [] : [`an alert on ${target} is cleared that was not raised`];
      }
      case "bioxen.alert.notified.v1":
        return body.data.notifications.flatMap(({ notificationId, undelivered }) => {
          for (const { webhook } of undelivered) this.#dead.add(`${notificationId} ${webhook}`);
          return this.#undelivered.delete(notificationId)
            ? []
            : [`${notificationId} is delivered, but no such notification was due`];
        });
      case "bioxen.alert.retry-requested.v1":
        return body.data.letters.flatMap(({ notificationId, webhook }) => {
          this.#undelivered.add(notificationId);
          const wasDead = this.#dead.delete(`${notificationId} ${webhook}`);
          return wasDead ? [] : [`${notificationId} is retried, but is no dead letter of ${webhook}`];
        });
    }
  }
}
