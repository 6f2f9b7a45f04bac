/**
 * Quotas, and principals: who may hold what, and who did what.
 */
import { all, command } from "../api/client.ts";
import { fleet, session, viewsTick } from "../live.ts";
import { whatHappened } from "../model/story.ts";
import type { Amounts, QuotaView } from "../model/types.ts";
import { count, inOrder, RESOURCE_ORDER, resourceName } from "../model/words.ts";
import { to } from "../router.ts";
import { Badge, Button, Card, Empty, ErrorNote, Loading, ResourceBar, Time } from "../ui/basics.tsx";
import { act } from "../ui/messages.tsx";
import { Page } from "../ui/page.tsx";
import { Table } from "../ui/table.tsx";
import { useQuery } from "../ui/use-query.ts";

interface QuotaFormProps {
  readonly quotas: readonly QuotaView[];
  readonly onDone: () => void;
}

function QuotaForm({ quotas, onDone }: QuotaFormProps) {
  const send = async (form: HTMLFormElement) => {
    const texts = Object.fromEntries(
      [...new FormData(form).entries()].map(([name, value]) => [name, String(value).trim()]),
    );
    const { kind = "label", name = "", ...amounts } = texts;
    const resources = Object.fromEntries(
      Object.entries(amounts)
        .filter(([, text]) => text !== "")
        .map(([resource, text]) => [resource, Number(text)]),
    );
    const before = quotas.find(({ owner, label }) => name === (kind === "owner" ? owner : label));
    const set = (limits: Amounts) => command("quota", "set", { [kind]: name, resources: limits });
    const undo = {
      done: `the quota of ${name} is as before`,
      action: () => set(before?.resources ?? {}).then(onDone),
    };
    if (await act(`the quota of ${name} is set`, () => set(resources), undo)) {
      form.reset();
      onDone();
    }
  };
  return (
    <Card title="Set a quota">
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void send(event.currentTarget);
        }}
      >
        <div class="form-grid">
          <label class="field">
            <span>For the VMs of</span>
            <select name="kind">
              <option value="label">a label</option>
              <option value="owner">an owner</option>
            </select>
          </label>
          <label class="field">
            <span>Label or owner</span>
            <input name="name" required placeholder="team=red" />
          </label>
          {RESOURCE_ORDER.map((name) => (
            <label class="field" key={name}>
              <span>{resourceName(name)}</span>
              <input name={name} type="number" min="0" placeholder="unlimited" />
            </label>
          ))}
        </div>
        <div class="row end">
          <Button type="submit" kind="primary">
            Set
          </Button>
        </div>
      </form>
    </Card>
  );
}

export function QuotasView() {
  void viewsTick.value;
  const changes = fleet.events.findLast(({ subject }) => subject.startsWith("quota/"))?.seq ?? 0;
  const { data, error, reload } = useQuery(() => all<QuotaView>("quota", "list", "quotas"), [changes]);
  const role = session.value?.role;
  return (
    <Page title="Quotas" lead="What the VMs of a label or an owner hold together, over all chassis">
      {error !== undefined && <ErrorNote error={error} retry={reload} />}
      {data === undefined && error === undefined && <Loading />}
      {data?.length === 0 && (
        <Card>
          <Empty title="No quota is set" />
        </Card>
      )}
      <div class="columns">
        {data?.map((quota) => (
          <Card
            key={quota.label}
            title={quota.owner === undefined ? quota.label : `owner ${quota.owner}`}
            actions={<Badge state={quota.enforced ? "ready" : "pending"} />}
          >
            <div class="resources">
              {inOrder(quota.resources).map(([name, limit]) => (
                <ResourceBar key={name} name={name} offered={limit} reserved={quota.held[name] ?? 0} />
              ))}
            </div>
            <p class="small muted">{quota.holders.length} VMs hold something of it</p>
          </Card>
        ))}
      </div>
      {(role === "admin" || role === "anonymous") && <QuotaForm quotas={data ?? []} onDone={reload} />}
    </Page>
  );
}

export function PrincipalsView() {
  void viewsTick.value;
  const known = new Map<string, { events: number; last: (typeof fleet.events)[number] }>();
  for (const event of fleet.events) {
    const name = event.onbehalfof ?? event.principal ?? "not recorded";
    known.set(name, { events: (known.get(name)?.events ?? 0) + 1, last: event });
  }
  const rows = [...known.entries()].sort(([, a], [, b]) => b.last.seq - a.last.seq);
  const owned = (name: string) => [...fleet.vms.values()].filter(({ owner }) => owner === name).length;
  return (
    <Page title="Principals" lead={`Who did what, in the newest ${count(fleet.events.length)} events`}>
      <Card class="flush" label="Principals">
        {rows.length === 0 ? (
          <Empty title="No event was read yet" />
        ) : (
          <Table<(typeof rows)[number]>
            caption="Principals"
            rows={rows}
            keyOf={([name]) => name}
            columns={[
              ["Principal", ([name]) => name],
              ["VMs", ([name]) => count(owned(name)), "num"],
              ["Events", ([, { events }]) => count(events), "num"],
              ["Last", ([, { last }]) => <Time ms={Date.parse(last.time)} withAge />],
              [
                "What",
                ([, { last }]) => (
                  <a href={to(["log", String(last.seq)])}>
                    {last.subject} {whatHappened(last)}
                  </a>
                ),
              ],
              ["", ([name]) => <a href={to(["log"], { principal: name })}>All of it</a>],
            ]}
          />
        )}
      </Card>
      <p class="hint">
        <code>bioxen auth ls</code> lists the keys of principals and their roles.
      </p>
    </Page>
  );
}
