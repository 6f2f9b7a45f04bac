/**
 * Time travel: the whole fleet as it was after any event of the log, as `bioxen state --at SEQ` shows it.
 */
import { useEffect, useState } from "preact/hooks";
import { queryText, request } from "../api/client.ts";
import { readEvents } from "../api/read-events.ts";
import { fleet, session, viewsTick } from "../live.ts";
import { whatHappened } from "../model/story.ts";
import type { ChassisView, LedgerView, VmView } from "../model/types.ts";
import { count, inOrder } from "../model/words.ts";
import { route, setFields, to } from "../router.ts";
import { Badge, Button, Card, Empty, ErrorNote, Loading, ResourceBar, Time } from "../ui/basics.tsx";
import { Page } from "../ui/page.tsx";
import { useQuery } from "../ui/use-query.ts";
import { type Column, sorted, VirtualList } from "../ui/virtual-list.tsx";
import { OWNER_COLUMN, PLACE_COLUMNS } from "./vm-columns.tsx";
import { WhatIf } from "./what-if.tsx";

interface Past {
  readonly atSeq: number;
  readonly vms: readonly VmView[];
  readonly ledgers: readonly LedgerView[];
  readonly chassis: readonly ChassisView[];
}

const COLUMNS: readonly Column<VmView>[] = [
  ...PLACE_COLUMNS,
  {
    name: "ribosomes",
    title: "Ribosomes",
    width: 100,
    isNumber: true,
    cell: (vm) => count(vm.allocation?.["ribosomes"] ?? 0),
    sortBy: (vm) => vm.allocation?.["ribosomes"] ?? 0,
  },
  OWNER_COLUMN,
  {
    name: "version",
    title: "Version",
    width: 80,
    isNumber: true,
    cell: (vm) => vm.version,
    sortBy: (vm) => vm.version,
  },
];

/** Time without a move of the slider before the past is computed, ms: the log is read from its first event. */
const SETTLE_MS = 250;

function Slider({ at, last }: { readonly at: number; readonly last: number }) {
  const [value, setValue] = useState(at);
  useEffect(() => setValue(at), [at]);
  useEffect(() => {
    if (value === at) return;
    const timer = setTimeout(() => setFields({ at: String(value) }), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [value]);
  const step = (by: number) => setValue(Math.min(last, Math.max(1, value + by)));
  return (
    <Card label="Time">
      <div class="row time-row">
        <Button label="One event back" onClick={() => step(-1)}>
          ←
        </Button>
        <label class="grow">
          <span class="visually-hidden">Event of the log</span>
          <input
            type="range"
            min="1"
            max={last}
            value={value}
            onInput={(event) => setValue(Number(event.currentTarget.value))}
          />
        </label>
        <Button label="One event on" onClick={() => step(1)}>
          →
        </Button>
        <label class="row">
          <span class="label">Event</span>
          <input
            type="number"
            class="num"
            min="1"
            max={last}
            value={value}
            onChange={(event) =>
              setValue(Math.min(last, Math.max(1, Number(event.currentTarget.value) || 1)))
            }
          />
        </label>
        <span class="muted num">of {count(last)}</span>
      </div>
      <EventAt seq={at} />
    </Card>
  );
}

function EventAt({ seq }: { readonly seq: number }) {
  const { data } = useQuery(() => readEvents(seq, seq), [seq]);
  const event = data?.[0];
  return (
    <p class="event-at" aria-live="polite">
      {event === undefined ? (
        <span class="muted">event #{seq}</span>
      ) : (
        <>
          <Time ms={Date.parse(event.time)} /> · <a href={to(["log", String(seq)])}>{event.subject}</a>{" "}
          {whatHappened(event)}
        </>
      )}
    </p>
  );
}

function PastChassis({
  chassis,
  ledger,
}: {
  readonly chassis: ChassisView;
  readonly ledger: LedgerView | undefined;
}) {
  return (
    <Card
      title={chassis.chassisId}
      // Heartbeats are not in the log: of the past only losses and decisions of operators are known.
      actions={
        (chassis.state === "lost" || chassis.cordoned) && (
          <Badge state={chassis.state === "lost" ? "lost" : "cordoned"} />
        )
      }
    >
      <div class="resources">
        {inOrder(chassis.offered).map(([name, offered]) => (
          <ResourceBar key={name} name={name} offered={offered} reserved={ledger?.reserved[name] ?? 0} />
        ))}
      </div>
    </Card>
  );
}

export function TimeView() {
  void viewsTick.value;
  const known = (session.value as { lastSeq?: number } | null | undefined)?.lastSeq ?? 0;
  const last = Math.max(1, fleet.seq, known);
  const at = Math.min(last, Math.max(1, Number(route.value.fields["at"]) || last));
  const [first] = useState(at);
  const asked = route.value.fields["at"] === undefined ? first : at;
  const [sort, setSort] = useState("id");
  const { data, error, reload } = useQuery(() => request<Past>(`state${queryText({ at: asked })}`), [asked]);
  const vms = data?.vms.filter(({ state }) => state !== "destroyed") ?? [];
  const ledgers = new Map(data?.ledgers.map((ledger) => [ledger.chassisId, ledger]));
  return (
    <Page
      title="Time travel"
      lead={
        <>
          The fleet after event #{asked}, as <code>bioxen state --at {asked}</code> shows it
        </>
      }
    >
      <Slider at={asked} last={last} />
      {error !== undefined && <ErrorNote error={error} retry={reload} />}
      {data === undefined && error === undefined && <Loading lines={10} />}
      {data !== undefined && (
        <>
          <div class="columns">
            {data.chassis.map((chassis) => (
              <PastChassis
                key={chassis.chassisId}
                chassis={chassis}
                ledger={ledgers.get(chassis.chassisId)}
              />
            ))}
          </div>
          <Card class="flush" label="VMs then" title={`${count(vms.length)} VMs`}>
            {vms.length === 0 ? (
              <Empty title="There was no VM then" />
            ) : (
              <VirtualList
                label={`VMs after event #${asked}`}
                items={sorted(vms, COLUMNS, sort)}
                columns={COLUMNS}
                linkOf={(vm) => ({ text: vm.vmId, href: to(["vms", vm.vmId]) })}
                sort={sort}
                onSort={setSort}
              />
            )}
          </Card>
          <WhatIf key={asked} toSeq={asked} chassis={data.chassis} />
        </>
      )}
    </Page>
  );
}
