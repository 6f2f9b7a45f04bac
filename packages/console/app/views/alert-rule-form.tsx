/**
 * Setting an alert rule: a metric, its limit, and for which targets.
 */
import { useState } from "preact/hooks";
import { command } from "../api/client.ts";
import { METRICS, ruleOf } from "../model/alert-rule.ts";
import type { AlertRuleView } from "../model/types.ts";
import { Button, Card } from "../ui/basics.tsx";
import { act } from "../ui/messages.tsx";

const SEVERITIES = ["info", "warning", "critical"] as const;
const SCOPES: readonly (readonly [string, string])[] = [
  ["", "all targets"],
  ["vmId", "one VM"],
  ["chassisId", "one chassis"],
  ["label", "VMs with a label"],
];

export function AlertRuleForm({ rules }: { readonly rules: readonly AlertRuleView[] }) {
  const [metric, setMetric] = useState("vm.health");
  const [scope, setScope] = useState("");
  const send = async (form: HTMLFormElement) => {
    const texts = Object.fromEntries(
      [...new FormData(form).entries()].map(([name, value]) => [name, String(value).trim()]),
    );
    const isNew = !rules.some(({ ruleId }) => ruleId === texts["ruleId"]);
    const done = `the rule ${texts["ruleId"]} is ${isNew ? "set" : "replaced"}`;
    if (await act(done, () => command("alert", "set-rule", ruleOf(texts)))) form.reset();
  };
  const select = (name: string, title: string, values: readonly (readonly [string, string])[]) => (
    <label class="field">
      <span>{title}</span>
      <select name={name}>
        {values.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <Card title="Set a rule">
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void send(event.currentTarget);
        }}
      >
        <div class="form-grid">
          <label class="field">
            <span>Id of the rule</span>
            <input name="ruleId" required pattern="[a-z0-9]([a-z0-9\-]{0,61}[a-z0-9])?" />
            <span class="hint">An id that exists replaces its rule.</span>
          </label>
          <label class="field">
            <span>Metric</span>
            <select name="metric" value={metric} onChange={(event) => setMetric(event.currentTarget.value)}>
              {Object.keys(METRICS).map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
          {select("side", "Raised when", [
            ["below", "below the limit"],
            ["above", "above the limit"],
          ])}
          <label class="field">
            <span>Limit ({METRICS[metric]})</span>
            <input name="limit" type="number" required min="0" step="1" />
          </label>
          <label class="field">
            <span>For at least (s)</span>
            <input name="seconds" type="number" min="0" step="any" placeholder="0" />
          </label>
          {select(
            "severity",
            "Severity",
            SEVERITIES.map((one) => [one, one] as const),
          )}
          <label class="field">
            <span>Scope</span>
            <select name="scope" value={scope} onChange={(event) => setScope(event.currentTarget.value)}>
              {SCOPES.map(([value, text]) => (
                <option key={value} value={value}>
                  {text}
                </option>
              ))}
            </select>
          </label>
          {scope !== "" && (
            <label class="field">
              <span>{scope === "label" ? "Label" : "Its id"}</span>
              <input name="target" required placeholder={scope === "label" ? "name=value" : ""} />
            </label>
          )}
        </div>
        <div class="row end">
          <Button type="submit" kind="primary">
            Set the rule
          </Button>
        </div>
      </form>
    </Card>
  );
}
