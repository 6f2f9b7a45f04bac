/**
 * One alert rule as its events tell it: what is raised, and what was told to nobody yet.
 */
import type { AlertEvent } from "@bioxen/contracts";

export class AlertAccount {
  #isSet = false;
  readonly #raised = new Set<string>();
  readonly #untold = new Set<string>();
  readonly #refused = new Set<string>();

  /** What is wrong with this event, coming now; it counts all the same. */
  observe(eventId: string, body: AlertEvent): string[] {
    switch (body.type) {
      case "bioxen.alert.rule-set.v1":
        this.#isSet = true;
        return [];
      case "bioxen.alert.rule-removed.v1": {
        const named = [...body.data.targets].sort().join(" ");
        const raised = [...this.#raised].sort().join(" ");
        for (const target of this.#raised) this.#untold.add(`${eventId}.${target}`);
        this.#raised.clear();
        this.#isSet = false;
        return named === raised
          ? []
          : [`it ends the alerts on ${named || "nothing"}, and raised are ${raised || "none"}`];
      }
      case "bioxen.alert.raised.v1": {
        const { target } = body.data;
        const wrong = [];
        if (!this.#isSet) wrong.push(`an alert on ${target} without a rule`);
        if (this.#raised.has(target)) wrong.push(`an alert on ${target} is raised a second time`);
        this.#raised.add(target);
        this.#untold.add(eventId);
        return wrong;
      }
      case "bioxen.alert.cleared.v1": {
        const { target } = body.data;
        this.#untold.add(eventId);
        return this.#raised.delete(target) ? [] : [`an alert on ${target} is cleared that is not raised`];
      }
      case "bioxen.alert.notified.v1":
        return body.data.notifications.flatMap(({ notificationId, undelivered }) => {
          for (const { webhook } of undelivered) this.#refused.add(`${notificationId} ${webhook}`);
          return this.#untold.delete(notificationId) ? [] : [`${notificationId} was owed to nobody`];
        });
      case "bioxen.alert.retry-requested.v1":
        return body.data.letters.flatMap(({ notificationId, webhook }) => {
          this.#untold.add(notificationId);
          const wasRefused = this.#refused.delete(`${notificationId} ${webhook}`);
          return wasRefused ? [] : [`${notificationId} is no dead letter of ${webhook}`];
        });
    }
  }
}
