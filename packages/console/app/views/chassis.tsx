/**
 * Chassis: the list, and one chassis with its ledger, its VMs and its drain.
 */
import { command, query } from "../api/client.ts";
import { CellMap } from "../charts/cell-map.tsx";
import { alerts, fleet, isTenant, mayCommand, viewsTick } from "../live.ts";
import type { ChassisView as Chassis, DrainView } from "../model/types.ts";
import { count, inOrder, percent, resourceName, span } from "../model/words.ts";
import { route, to } from "../router.ts";
import { Badge, Button, Card, Empty, Facts, Loading, Time } from "../ui/basics.tsx";
import { confirmed } from "../ui/dialog.tsx";
import { act } from "../ui/messages.tsx";
import { Page } from "../ui/page.tsx";
import { useQuery } from "../ui/use-query.ts";
import { DrainCard, LedgerCard } from "./chassis-cards.tsx";
import { chassisState, ResourceBars } from "./fleet.tsx";

function fullest(chassis: Chassis): string {
  const free = fleet.ledgers.get(chassis.chassisId)?.free ?? chassis.free ?? {};
  const shares = inOrder(chassis.offered).map(
    ([name, offered]) => [name, offered === 0 ? 0 : 1 - (free[name] ?? offered) / offered] as const,
  );
  const [most] = shares.toSorted(([, a], [, b]) => b - a);
  return most === undefined ? "–" : `${percent(most[1])} ${resourceName(most[0])}`;
}

export function ChassisList() {
  void viewsTick.value;
  const groups = fleet.vms.byChassis();
  const chassis = [...fleet.chassis.values()];
  return (
    <Page title="Chassis" lead={`${chassis.length} registered`}>
      <Card class="flush" label="List of chassis">
        {!fleet.loaded ? (
          <Loading />
        ) : chassis.length === 0 ? (
          <Empty title="No chassis is registered">
            An agent registers its chassis when it starts: <code>bioxen up --chassis ecoli:1</code>
          </Empty>
        ) : (
          <div class="table-scroll">
            <table class="list-table">
              <caption class="visually-hidden">Chassis</caption>
              <thead>
                <tr>
                  {["Chassis", "Type", "State", "VMs", "Fullest resource", "Agent", "Registered"].map(
                    (title) => (
                      <th scope="col" key={title} class={title === "VMs" ? "num" : ""}>
                        {title}
                      </th>
                    ),
                  )}
                </tr>
              </thead>
              <tbody>
                {chassis.map((one) => (
                  <tr key={one.chassisId}>
                    <td>
                      <a href={to(["chassis", one.chassisId])}>{one.chassisId}</a>
                    </td>
                    <td>{one.chassisType}</td>
                    <td>
                      <Badge state={chassisState(one)} />
                    </td>
                    <td class="num">
                      {count(groups.get(one.chassisId)?.length ?? 0)} of {count(one.maxVms)}
                    </td>
                    <td>{fullest(one)}</td>
                    <td>{one.agentId}</td>
                    <td>
                      <Time ms={one.registeredAtMs} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Card>
    </Page>
  );
}

/** What takes a command back, and what is said then. A drain has its own button, and a removed chassis its agent. */
const BACK: Readonly<Record<string, readonly [verb: string, words: string]>> = {
  cordon: ["uncordon", "open to new VMs again"],
  uncordon: ["cordon", "closed to new VMs again"],
};

async function run(chassisId: string, verb: string, label: string, question?: string): Promise<void> {
  if (question !== undefined && !(await confirmed(`${label} ${chassisId}?`, question, label))) return;
  const send = (one: string) => command("chassis", one, { chassisId });
  const back = BACK[verb];
  await act(
    `${chassisId}: ${label.toLowerCase()} was accepted`,
    () => send(verb),
    back && { done: `${chassisId}: ${back[1]}`, action: () => send(back[0]) },
  );
}

const DRAIN =
  "It is closed to new VMs, and its VMs move elsewhere with their states. The drain can be cancelled.";
const REMOVE = "A chassis that holds no VM is removed. Its agent can register it again.";

function ChassisActions({
  chassis,
  drain,
}: {
  readonly chassis: Chassis;
  readonly drain: DrainView | null | undefined;
}) {
  const { chassisId, cordoned } = chassis;
  const isDraining = drain?.status === "draining";
  return (
    <>
      {cordoned ? (
        <Button onClick={() => void run(chassisId, "uncordon", "Uncordon")}>Uncordon</Button>
      ) : (
        <Button onClick={() => void run(chassisId, "cordon", "Cordon")}>Cordon</Button>
      )}
      {isDraining ? (
        <Button onClick={() => void run(chassisId, "cancel-drain", "Cancel the drain of")}>
          Cancel the drain
        </Button>
      ) : (
        <Button onClick={() => void run(chassisId, "drain", "Drain", DRAIN)}>Drain</Button>
      )}
      <Button kind="danger" onClick={() => void run(chassisId, "remove", "Remove", REMOVE)}>
        Remove
      </Button>
    </>
  );
}

/** Events of the drain and of moves, not of a removal: the progress is asked again when there is one more. */
function movesOf(chassisId: string): number {
  return (
    fleet.events.findLast(
      ({ subject, type }) => subject === `drain/${chassisId}` || /(?<!re)moved|migrat/.test(type),
    )?.seq ?? 0
  );
}

export function ChassisPage({ chassisId }: { readonly chassisId: string }) {
  void viewsTick.value;
  const chassis = fleet.chassis.get(chassisId);
  const drain = useQuery(async () => {
    // A chassis that was removed, or is not known yet, has no drain to ask for.
    if (isTenant.value || !fleet.chassis.has(chassisId)) return null;
    return (await query<{ drain: DrainView | null }>("chassis", "drain", { chassisId })).drain;
  }, [chassisId, chassis?.cordoned, movesOf(chassisId)]);
  if (chassis === undefined) {
    return (
      <Page title={chassisId}>
        {fleet.loaded ? (
          <Card>
            <Empty title="This chassis is not registered">
              <a href={to(["chassis"])}>All chassis</a>
            </Empty>
          </Card>
        ) : (
          <Loading lines={8} />
        )}
      </Page>
    );
  }
  const vms = fleet.vms.byChassis().get(chassisId) ?? [];
  const own = alerts.value.filter(({ target }) => target === chassisId);
  const heartbeat = fleet.heartbeats.get(chassisId);
  return (
    <Page
      title={chassisId}
      lead={
        <span class="row">
          <Badge state={chassisState(chassis)} /> {chassis.chassisType}, agent {chassis.agentId}
        </span>
      }
      actions={mayCommand.value && !isTenant.value && <ChassisActions chassis={chassis} drain={drain.data} />}
    >
      {own.map(({ ruleId, severity, value, sinceMs }) => (
        <p class="note" key={ruleId}>
          <Badge state={severity} /> <a href={to(["alerts"])}>{ruleId}</a> since <Time ms={sinceMs} />, value{" "}
          {count(value)}
        </p>
      ))}
      <div class="columns">
        <Card title="Cells" actions={<a href={to(["vms"], { chassis: chassisId })}>List of {vms.length}</a>}>
          <CellMap
            chassisId={chassisId}
            vms={vms}
            by={route.value.fields["by"] === "health" ? "health" : "growth"}
            zoom={0}
          />
        </Card>
        <Card title="Resources">
          <ResourceBars chassis={chassis} vms={vms} />
          <Facts
            facts={[
              ["VMs", `${count(vms.length)} of ${count(chassis.maxVms)}`],
              ["Overhead", `${chassis.overheadPermille / 10} %`],
              [
                "Heartbeat",
                heartbeat === undefined ? "none seen yet" : `${span(Date.now() - heartbeat.atMs)} ago`,
              ],
              [
                "Labels",
                Object.entries(chassis.labels)
                  .map(([name, value]) => `${name}=${value}`)
                  .join(", ") || "none",
              ],
            ]}
          />
        </Card>
      </div>
      {drain.data != null && <DrainCard drain={drain.data} />}
      {!isTenant.value && <LedgerCard chassisId={chassisId} />}
    </Page>
  );
}
