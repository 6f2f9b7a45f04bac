/**
 * The ledger of a chassis, and the progress of its drain.
 */
import { useState } from "preact/hooks";
import { query } from "../api/client.ts";
import { fleet, viewsTick } from "../live.ts";
import type { DrainView, LedgerView } from "../model/types.ts";
import { count, inOrder, resourceName } from "../model/words.ts";
import { to } from "../router.ts";
import { AmountsTable, Badge, Button, Card, ErrorNote, Loading, Time } from "../ui/basics.tsx";
import { useQuery } from "../ui/use-query.ts";

export function DrainCard({ drain }: { readonly drain: DrainView }) {
  const all = drain.moved + drain.remaining;
  return (
    <Card title="Drain" actions={<Badge state={drain.status} />}>
      <label class="field">
        <span class="num">
          {drain.moved} of {all} VMs have left
        </span>
        <progress max={Math.max(1, all)} value={drain.moved} />
      </label>
      <p class="small muted">
        Started <Time ms={drain.startedAtMs} />, {drain.endedAtMs === null ? "ends at the latest" : "ended"}{" "}
        <Time ms={drain.endedAtMs ?? drain.deadlineAtMs} />
      </p>
      <table class="plain-table">
        <caption class="visually-hidden">VMs of the drain</caption>
        <thead>
          <tr>
            <th scope="col">VM</th>
            <th scope="col">Progress</th>
            <th scope="col">To, or why not</th>
          </tr>
        </thead>
        <tbody>
          {drain.vms.map(({ vmId, status, toChassisId, reason }) => (
            <tr key={vmId}>
              <th scope="row">
                <a href={to(["vms", vmId])}>{vmId}</a>
              </th>
              <td>{status}</td>
              <td>{toChassisId ?? reason ?? "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  );
}

export function LedgerCard({ chassisId }: { readonly chassisId: string }) {
  void viewsTick.value;
  const [shown, setShown] = useState(50);
  const totals = fleet.ledgers.get(chassisId);
  const key = totals === undefined ? "" : JSON.stringify(totals.reserved);
  const { data, error } = useQuery(async () => {
    const pages = await query<{ ledger: LedgerView }>("ledger", "get", { chassisId });
    return pages.ledger;
  }, [chassisId, key]);
  if (error !== undefined)
    return (
      <Card title="Ledger">
        <ErrorNote error={error} />
      </Card>
    );
  if (data === undefined)
    return (
      <Card title="Ledger">
        <Loading />
      </Card>
    );
  return (
    <Card title="Ledger" actions={<span class="small muted">{data.entries.length} entries</span>}>
      <AmountsTable
        caption="Account of the chassis"
        rows={[
          ["Capacity", data.capacity],
          ["Offered", data.offered],
          ["Reserved", data.reserved],
          ["Free", data.free],
        ]}
      />
      <div class="table-scroll">
        <table class="plain-table">
          <caption class="visually-hidden">Entries of the ledger</caption>
          <thead>
            <tr>
              <th scope="col">VM</th>
              <th scope="col">Phase</th>
              <th scope="col" class="num">
                Fence
              </th>
              {inOrder(data.offered).map(([name]) => (
                <th scope="col" class="num" key={name}>
                  {resourceName(name)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {data.entries.slice(0, shown).map(({ vmId, phase, fence, amounts }) => (
              <tr key={`${vmId} ${fence}`}>
                <th scope="row">
                  <a href={to(["vms", vmId])}>{vmId}</a>
                </th>
                <td>{phase}</td>
                <td class="num">#{fence}</td>
                {inOrder(data.offered).map(([name]) => (
                  <td class="num" key={name}>
                    {count(amounts[name] ?? 0)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {data.entries.length > shown && <Button onClick={() => setShown(shown + 200)}>Show more</Button>}
    </Card>
  );
}
