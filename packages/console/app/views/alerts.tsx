/**
 * Alerts, and jobs with dead letters.
 */
import { useState } from "preact/hooks";
import { all, command, query } from "../api/client.ts";
import { alerts, fleet, isTenant, mayCommand, viewsTick } from "../live.ts";
import type { ActiveAlertView, AlertRuleView, Result } from "../model/types.ts";
import { count } from "../model/words.ts";
import { to } from "../router.ts";
import { Badge, Button, Card, Empty, ErrorNote, Loading, Time } from "../ui/basics.tsx";
import { act } from "../ui/messages.tsx";
import { Page } from "../ui/page.tsx";
import { Table } from "../ui/table.tsx";
import { useQuery } from "../ui/use-query.ts";
import { AlertRuleForm } from "./alert-rule-form.tsx";

/** Where the target of an alert is shown. */
function Target({ target }: { readonly target: string }) {
  if (fleet.vms.has(target)) return <a href={to(["vms", target])}>{target}</a>;
  if (fleet.chassis.has(target)) return <a href={to(["chassis", target])}>{target}</a>;
  return <span>{target}</span>;
}

function condition({ metric, above, below, forMs }: AlertRuleView): string {
  const limit = above === undefined ? `below ${count(below ?? 0)}` : `above ${count(above)}`;
  return `${metric} ${limit}${forMs === 0 ? "" : ` for ${forMs / 1000} s`}`;
}

async function removeRule({ isDefault, version, ...rule }: AlertRuleView): Promise<void> {
  const { ruleId } = rule;
  await act(`${ruleId} is removed, and its alerts end`, () => command("alert", "remove-rule", { ruleId }), {
    done: `${ruleId} is set again`,
    action: () => command("alert", "set-rule", rule),
  });
}

/** Active alerts that are shown at first: a chassis that fails raises one for each of its VMs. */
const SHOWN = 100;

export function AlertsView() {
  void viewsTick.value;
  const changes = fleet.events.findLast(({ type }) => type.startsWith("bioxen.alert.rule-"))?.seq ?? 0;
  const { data, error, reload } = useQuery(() => query<Result<"alertList">>("alert", "list"), [changes]);
  const [shown, setShown] = useState(SHOWN);
  const canChange = mayCommand.value && !isTenant.value;
  return (
    <Page title="Alerts" lead={`${alerts.value.length} active`}>
      {error !== undefined && <ErrorNote error={error} retry={reload} />}
      <Card class="flush" title="Active">
        {alerts.value.length === 0 ? (
          <Empty title="No alert is active" />
        ) : (
          <Table<ActiveAlertView>
            caption="Active alerts"
            rows={alerts.value.slice(0, shown)}
            keyOf={(one) => `${one.ruleId} ${one.target}`}
            columns={[
              ["Severity", (one) => <Badge state={one.severity} />],
              ["Rule", (one) => one.ruleId],
              ["Target", (one) => <Target target={one.target} />],
              ["Metric", (one) => one.metric],
              ["Value", (one) => count(one.value), "num"],
              ["Since", (one) => <Time ms={one.sinceMs} withAge />],
            ]}
          />
        )}
        {alerts.value.length > shown && (
          <Button kind="quiet" onClick={() => setShown(shown + SHOWN)}>
            Show more
          </Button>
        )}
      </Card>
      <Card class="flush" title="Rules">
        {data === undefined ? (
          <Loading />
        ) : (
          <Table<AlertRuleView>
            caption="Alert rules"
            rows={data.rules}
            keyOf={(rule) => rule.ruleId}
            columns={[
              ["Rule", (rule) => rule.ruleId],
              ["Severity", (rule) => <Badge state={rule.severity} />],
              ["Condition", condition],
              [
                "Scope",
                (rule) =>
                  Object.entries(rule.scope)
                    .map(([name, value]) => `${name} ${value}`)
                    .join(", ") || "all",
              ],
              ["Origin", (rule) => (rule.isDefault ? "default" : `version ${rule.version}`)],
              [
                "",
                (rule) =>
                  canChange && (
                    <Button label={`Remove ${rule.ruleId}`} onClick={() => void removeRule(rule)}>
                      Remove
                    </Button>
                  ),
              ],
            ]}
          />
        )}
      </Card>
      {canChange && <AlertRuleForm rules={data?.rules ?? []} />}
    </Page>
  );
}

function JobCard() {
  const [id, setId] = useState("");
  const [outcome, setOutcome] = useState<unknown>();
  const [error, setError] = useState<unknown>();
  const look = () =>
    query<Result<"jobOutcomeGet">>("job", "outcome", { id }).then(
      (found) => {
        setError(undefined);
        setOutcome(found.outcome ?? "The job waits, or is being carried out.");
      },
      (thrown: unknown) => {
        setOutcome(undefined);
        setError(thrown);
      },
    );
  return (
    <Card title="A durable command">
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          void look();
        }}
      >
        <label class="field grow">
          <span>Id (its Nats-Msg-Id)</span>
          <input value={id} required onInput={(event) => setId(event.currentTarget.value)} />
        </label>
        <Button type="submit">Show its outcome</Button>
        {mayCommand.value && (
          <Button
            kind="danger"
            disabled={id === ""}
            onClick={() => void act(`${id} is cancelled`, () => command("job", "cancel", { id }))}
          >
            Cancel it
          </Button>
        )}
      </form>
      {error !== undefined && <ErrorNote error={error} />}
      {outcome !== undefined && (
        <pre class="code-block">
          {typeof outcome === "string" ? outcome : JSON.stringify(outcome, undefined, 2)}
        </pre>
      )}
      <p class="hint">
        <code>bioxen jobs ls</code> lists what waits, and <code>bioxen jobs ls --failed</code> the dead
        letters.
      </p>
    </Card>
  );
}

type Dead = Result<"alertDead">["dead"][number];

export function JobsView() {
  const dead = useQuery(async () => (isTenant.value ? [] : all<Dead>("alert", "dead", "dead")), []);
  return (
    <Page title="Jobs and dead letters">
      <JobCard />
      {!isTenant.value && (
        <Card class="flush" title="Notifications that could not be delivered">
          {dead.error !== undefined && <ErrorNote error={dead.error} retry={dead.reload} />}
          {dead.data === undefined && dead.error === undefined && <Loading />}
          {dead.data?.length === 0 && <Empty title="Every notification was delivered" />}
          {dead.data !== undefined && dead.data.length > 0 && (
            <Table<Dead>
              caption="Dead notifications"
              rows={dead.data}
              keyOf={(one) => `${one.notificationId} ${one.webhook}`}
              columns={[
                ["Rule", (one) => one.ruleId],
                ["Target", (one) => one.target],
                ["Webhook", (one) => one.webhook],
                ["Reason", (one) => one.reason],
                ["Given up", (one) => <Time ms={one.diedAtMs} withAge />],
                [
                  "",
                  ({ ruleId, notificationId }) =>
                    mayCommand.value && (
                      <Button
                        onClick={() =>
                          void act("it is delivered again", () =>
                            command("alert", "retry", { ruleId, notificationId }),
                          ).then(dead.reload)
                        }
                      >
                        Retry
                      </Button>
                    ),
                ],
              ]}
            />
          )}
        </Card>
      )}
    </Page>
  );
}
