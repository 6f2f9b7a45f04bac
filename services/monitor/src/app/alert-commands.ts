/**
 * Commands and queries of alert rules, active alerts and dead letters.
 */
import {
  type ActiveAlertView,
  type AlertState,
  type DeadNotification,
  done,
  ENDPOINTS,
  type Handled,
  type ParsedRequestOf,
  type ResultOf,
  ruleOf,
  viewOfRule,
} from "@bioxen/contracts";
import { type Causation, versionConflict } from "@bioxen/kernel";
import { type AlertCommand, alertDecider, effectiveRule, isDefaultRule } from "../domain/alert.ts";
import type { Alerts } from "./alerts.ts";

export class AlertCommands {
  readonly #alerts: Alerts;

  constructor(alerts: Alerts) {
    this.#alerts = alerts;
  }

  setRule(
    request: ParsedRequestOf<"alertSetRule">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"alertSetRule">>> {
    const { ruleId } = request;
    const others = this.#alerts.ruleIds().filter((id) => id !== ruleId && this.#rule(id) !== null);
    const rule = ruleOf(request);
    return this.#execute(
      { type: "set-rule", ruleId, rule, otherRules: others.length },
      causation,
      request.expectedVersion,
    );
  }

  removeRule(
    { ruleId, expectedVersion }: ParsedRequestOf<"alertRemoveRule">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"alertRemoveRule">>> {
    return this.#execute({ type: "remove-rule", ruleId }, causation, expectedVersion);
  }

  async retry(
    { ruleId, notificationId }: ParsedRequestOf<"alertRetry">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"alertRetry">>> {
    let retried = 0;
    const executed = await this.#alerts.states.execute(ruleId, causation, (state) => {
      const decision = alertDecider.decide(state, { type: "retry", ruleId, notificationId });
      const event = decision.ok ? decision.event : null;
      retried = event?.type === "bioxen.alert.retry-requested.v1" ? event.data.letters.length : 0;
      return decision;
    });
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    return done({ changed: executed.changed, retried });
  }

  list(request: ParsedRequestOf<"alertList">, maxBytes: number): Promise<Handled<ResultOf<"alertList">>> {
    const { ruleId } = request;
    const ids = ruleId === undefined ? this.#alerts.ruleIds() : [ruleId];
    return this.#alerts.pages.within<ResultOf<"alertList">>(request, maxBytes, {
      shape: ENDPOINTS.alertList.pages ?? {},
      name: ruleId ?? "alerts",
      ids,
      uncounted: "rules",
      result: (states) => {
        const rules = ids.flatMap((id, i) => this.#viewOf(id, states[i]) ?? []);
        const active = ids.flatMap((id, i) => activeOf(id, states[i]));
        active.sort(
          (a, b) => a.raisedAtMs - b.raisedAtMs || compare(a.ruleId, b.ruleId) || compare(a.target, b.target),
        );
        return done({ rules, active, activeTotal: active.length });
      },
    });
  }

  dead(request: ParsedRequestOf<"alertDead">, maxBytes: number): Promise<Handled<ResultOf<"alertDead">>> {
    const ids = this.#alerts.ruleIds();
    return this.#alerts.pages.within<ResultOf<"alertDead">>(request, maxBytes, {
      shape: ENDPOINTS.alertDead.pages ?? {},
      name: "dead",
      ids,
      result: (states) => {
        const dead = ids.flatMap((ruleId, i): DeadNotification[] =>
          (states[i]?.dead ?? []).map((letter) => ({ ...letter, ruleId })),
        );
        dead.sort((a, b) => a.diedAtMs - b.diedAtMs || compare(a.notificationId, b.notificationId));
        return done({ dead, total: dead.length });
      },
    });
  }

  async #execute(
    command: Extract<AlertCommand, { type: "set-rule" | "remove-rule" }>,
    causation: Causation,
    expectedVersion: number | undefined,
  ): Promise<Handled<ResultOf<"alertSetRule">>> {
    const { ruleId } = command;
    const executed = await this.#alerts.states.execute(
      ruleId,
      causation,
      (state) =>
        versionConflict(`alert rule ${ruleId}`, expectedVersion, state.version) ??
        alertDecider.decide(state, command),
    );
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    return done({ changed: executed.changed, rule: this.#viewOf(ruleId, executed.current.state) ?? null });
  }

  #state(ruleId: string): AlertState {
    return this.#alerts.states.get(ruleId).state;
  }

  #rule(ruleId: string) {
    return effectiveRule(ruleId, this.#state(ruleId));
  }

  #viewOf(ruleId: string, state = this.#state(ruleId)) {
    const rule = effectiveRule(ruleId, state);
    return rule === null
      ? undefined
      : viewOfRule(ruleId, rule, { isDefault: isDefaultRule(ruleId, state), version: state.version });
  }
}

function activeOf(ruleId: string, state: AlertState | undefined): ActiveAlertView[] {
  return Object.entries(state?.active ?? {}).map(([target, alert]) => ({ ruleId, target, ...alert }));
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
