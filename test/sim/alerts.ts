/**
 * Alerts of a simulated cluster: operators that set and remove rules, a webhook that fails, and the checks at the end.
 */
import {
  type AlertNotification,
  type AlertState,
  alertFold,
  type ChassisState,
  type Delivered,
  ENDPOINTS,
  type EndpointName,
  type Ledger,
  type RequestOf,
  type VmState,
} from "@bioxen/contracts";
import { type EventEnvelope, Fault, ReadModel, type StoredEvent } from "@bioxen/kernel";
import type { Webhooks } from "../../services/monitor/src/app/alert-deliveries.ts";
import { effectiveRule } from "../../services/monitor/src/domain/alert.ts";
import { utilisationOf } from "../../services/monitor/src/domain/utilisation.ts";
import { zoneOf } from "../../services/monitor/src/domain/zones.ts";
import type { SimBus } from "./bus.ts";
import type { Faults } from "./faults.ts";
import type { Universe } from "./universe.ts";

const TIMEOUT_MS = 3_000;
const RULES = ["r1", "r2", "r3"];
/** A retryable failure and a permanent one. */
const REFUSALS: readonly Delivered[] = [
  { kind: "failed", reason: "HTTP 503", permanent: false },
  { kind: "failed", reason: "HTTP 404", permanent: true },
];

/** Records which notifications were published, and which the webhook took. */
export class AlertWitness {
  readonly #universe: Universe;
  readonly #faults: Faults;
  readonly #published = new Set<string>();
  readonly #taken = new Set<string>();

  constructor(universe: Universe, faults: Faults) {
    this.#universe = universe;
    this.#faults = faults;
  }

  sawPublished({ notificationId }: AlertNotification): void {
    this.#published.add(notificationId);
  }

  webhooks(): Webhooks {
    return {
      names: ["ops"],
      post: async (_webhook, { notificationId }) => {
        await this.#universe.delay(this.#universe.between(1, 2_000));
        if (this.#faults.strikes("webhook-failed")) return this.#universe.pick(REFUSALS);
        this.#taken.add(notificationId);
        return { kind: "taken" };
      },
    };
  }

  /** Checks that every notification was published, and that the webhook took it or it became a dead letter. */
  check(events: readonly StoredEvent[], problem: (text: string) => void): void {
    const everDead = new Set<string>();
    for (const { envelope } of events) for (const id of refusedIn(envelope)) everDead.add(id);
    for (const { envelope, seq } of events) {
      for (const id of notificationIdsOf(envelope)) {
        if (!this.#published.has(id)) problem(`${envelope.type} at ${seq} was never published`);
        if (!this.#taken.has(id) && !everDead.has(id))
          problem(`the webhook never took the notification of ${envelope.type} at ${seq}`);
      }
    }
  }
}

/** The ids of the notifications that this event causes. */
function notificationIdsOf({ id, type, data }: EventEnvelope): string[] {
  if (type === "bioxen.alert.raised.v1" || type === "bioxen.alert.cleared.v1") return [id];
  if (type !== "bioxen.alert.rule-removed.v1") return [];
  return (data as { targets: string[] }).targets.map((target) => `${id}.${target}`);
}

function refusedIn({ type, data }: EventEnvelope): string[] {
  if (type !== "bioxen.alert.notified.v1") return [];
  const { notifications } = data as { notifications: { notificationId: string; undelivered: unknown[] }[] };
  return notifications.filter((one) => one.undelivered.length > 0).map((one) => one.notificationId);
}

/** Sends the commands of operators, each repeated under one message id until it is answered. */
export function operate(
  universe: Universe,
  faults: Faults,
  bus: SimBus,
  count: number,
  spanMs: number,
): void {
  const insist = async <N extends EndpointName>(messageId: string, name: N, request: RequestOf<N>) => {
    for (;;) {
      try {
        const reply = await bus.call(ENDPOINTS[name].subject, request, { timeoutMs: TIMEOUT_MS, messageId });
        if (!reply.ok && ["UNAVAILABLE", "CONFLICT"].includes(reply.error.code)) {
          await universe.delay(universe.between(10, 500));
          continue;
        }
        faults.count(reply.ok ? `answered ${name}` : `refused ${reply.error.code}`);
        return;
      } catch (thrown) {
        if (!(thrown instanceof Fault)) throw thrown;
        await universe.delay(universe.between(10, 500));
      }
    }
  };
  for (let i = 0; i < count; i += 1) {
    universe.after(universe.between(0, spanMs), () => {
      const ruleId = universe.pick(RULES);
      const messageId = `alert-${i}`;
      const verb = universe.pick(["set", "set", "set", "remove", "retry"] as const);
      if (verb === "remove") return void insist(messageId, "alertRemoveRule", { ruleId });
      if (verb === "retry")
        return void insist(messageId, "alertRetry", { ruleId: universe.pick([...RULES, "vm-pending"]) });
      const condition = universe.pick([
        { metric: "chassis.reservedPermille", above: universe.pick([100, 300, 600]) },
        { metric: "vm.pendingMs", above: universe.pick([500, 3_000]) },
        { metric: "chassis.heartbeatAgeMs", above: 2_500 },
        { metric: "vm.health", below: 101 },
      ] as const);
      return void insist(messageId, "alertSetRule", {
        ruleId,
        ...condition,
        severity: "info",
        forMs: universe.pick([0, 1_000]),
      });
    });
  }
}

/** Folds the alerts of the log and compares them with its VMs and ledgers. */
export class AlertFolds {
  readonly model: ReadModel<AlertState>;

  constructor(frozen: (fold: typeof alertFold) => typeof alertFold) {
    this.model = new ReadModel<AlertState>("alert", frozen(alertFold));
  }

  checkRest(
    ledgers: ReadModel<Ledger>,
    vms: ReadModel<VmState>,
    chassis: ReadModel<ChassisState>,
    nowMs: number,
    problem: (text: string) => void,
  ): void {
    for (const [ruleId, state] of this.model.entries()) {
      if (state.owed.length > 0) problem(`rule ${ruleId} still owes ${state.owed.length} notifications`);
      const rule = effectiveRule(ruleId, state);
      if (rule === null) continue;
      const values = new Map<string, number>();
      if (rule.metric === "chassis.reservedPermille") {
        for (const [id, ledger] of ledgers.entries()) {
          const uses = Object.values(utilisationOf([ledger])).map((use) => use.permille);
          if (ledger.open && chassis.get(id).registered) values.set(id, Math.max(...uses));
        }
      } else if (rule.metric === "vm.pendingMs") {
        for (const [id, vm] of vms.entries()) {
          if (vm.exists && vm.state !== "destroyed") {
            values.set(id, vm.pendingSinceMs === null ? 0 : nowMs - vm.pendingSinceMs);
          }
        }
      } else continue;
      for (const [target, value] of values) {
        const isRaised = state.active[target] !== undefined;
        const zone = zoneOf(rule, value);
        if ((zone === "breach") !== isRaised && zone !== "band") {
          problem(`rule ${ruleId} on ${target} is ${isRaised ? "raised" : "not raised"} at ${value}`);
        }
      }
      for (const target of Object.keys(state.active)) {
        if (!values.has(target)) problem(`rule ${ruleId} is raised on ${target}, which does not exist`);
      }
    }
  }
}
