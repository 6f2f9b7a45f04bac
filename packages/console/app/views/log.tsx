/**
 * The log: the live feed with filters, and one event with its cause and its effects.
 */
import { useState } from "preact/hooks";
import { readEvents } from "../api/read-events.ts";
import { fleet, session, viewsTick } from "../live.ts";
import { aggregateOf, decidedBy, whatHappened } from "../model/story.ts";
import type { LogEvent } from "../model/types.ts";
import { verbOf } from "../model/vm-events.ts";
import { count } from "../model/words.ts";
import { route, setFields, to } from "../router.ts";
import { Button, Card, Empty, ErrorNote, Facts, Loading, Time } from "../ui/basics.tsx";
import { Page } from "../ui/page.tsx";
import { useQuery } from "../ui/use-query.ts";

const KINDS = ["vm", "ledger", "chassis", "drain", "quota", "alert", "experiment", "log"] as const;
/** Events in the page: some screens. Filters reach all that are kept. */
const SHOWN = 200;
/** Events that one step to the past reads. */
const STEP = 500;

/** The view of an aggregate, where there is one. */
export function addressOf(subject: string): string | undefined {
  const { kind, id } = aggregateOf({ subject });
  if (kind === "vm") return to(["vms", id]);
  if (kind === "ledger" || kind === "chassis" || kind === "drain") return to(["chassis", id]);
  if (kind === "experiment") return to(["experiments", id]);
  if (kind === "alert") return to(["alerts"]);
  return kind === "quota" ? to(["quotas"]) : undefined;
}

function Subject({ subject }: { readonly subject: string }) {
  const address = addressOf(subject);
  return address === undefined ? <span>{subject}</span> : <a href={address}>{subject}</a>;
}

function Line({ event }: { readonly event: LogEvent }) {
  return (
    <li>
      <span class="when small muted num">
        <Time ms={Date.parse(event.time)} />
      </span>
      <span class="what">
        <Subject subject={event.subject} /> {whatHappened(event)}{" "}
        <span class="small muted">{decidedBy(event)}</span>
      </span>
      <a class="num small" href={to(["log", String(event.seq)])}>
        #{event.seq}
      </a>
    </li>
  );
}

interface Filters {
  readonly kind: string;
  readonly q: string;
  readonly principal: string;
  readonly states: string;
}

function isShown(event: LogEvent, { kind, q, principal, states }: Filters): boolean {
  if (kind !== "" && !event.subject.startsWith(`${kind}/`)) return false;
  if (states === "" && verbOf(event.type) === "checkpointed") return false;
  if (principal !== "" && event.principal !== principal && event.onbehalfof !== principal) return false;
  return (
    q === "" ||
    `${event.subject} ${event.type} ${whatHappened(event)}`.toLowerCase().includes(q.toLowerCase())
  );
}

function FilterBar({
  filters,
  isHeld,
  onHold,
}: {
  readonly filters: Filters;
  readonly isHeld: boolean;
  readonly onHold: () => void;
}) {
  const { kind, q, principal, states } = filters;
  const principals = [
    ...new Set(fleet.events.flatMap((event) => [event.principal, event.onbehalfof])),
  ].filter((name) => name !== undefined);
  const select = (name: string, title: string, value: string, values: readonly string[]) => (
    <label class="field">
      <span>{title}</span>
      <select value={value} onChange={(event) => setFields({ [name]: event.currentTarget.value })}>
        <option value="">Any</option>
        {values.map((one) => (
          <option key={one}>{one}</option>
        ))}
      </select>
    </label>
  );
  return (
    <div class="row">
      <label class="field grow">
        <span>Filter by aggregate, type, words</span>
        <input type="search" value={q} onInput={(event) => setFields({ q: event.currentTarget.value })} />
      </label>
      {select("kind", "Aggregate", kind, KINDS)}
      {select("principal", "Principal", principal, principals.sort())}
      <Button pressed={states !== ""} onClick={() => setFields({ states: states === "" ? "1" : "" })}>
        Stored states
      </Button>
      <Button pressed={isHeld} onClick={onHold}>
        {isHeld ? "Go on" : "Hold"}
      </Button>
    </div>
  );
}

export function LogView() {
  void viewsTick.value;
  const { kind = "", q = "", principal = "", states = "" } = route.value.fields;
  const [held, setHeld] = useState<readonly LogEvent[] | undefined>();
  const [older, setOlder] = useState<readonly LogEvent[]>([]);
  const [shown, setShown] = useState(SHOWN);
  const filters = { kind, q, principal, states };
  const live = held ?? fleet.events;
  const all = [...older, ...live];
  const matching = all.filter((event) => isShown(event, filters));
  const firstSeq = all[0]?.seq ?? 1;
  const readOlder = async () => {
    setShown(shown + SHOWN);
    if (matching.length > shown + SHOWN || firstSeq <= 1) return;
    const found = await readEvents(Math.max(1, firstSeq - STEP), firstSeq - 1);
    setOlder([...found, ...older]);
  };
  return (
    <Page
      title="Log"
      lead={
        <span class="num">
          {count(matching.length)} of {count(all.length)} read events, newest first
        </span>
      }
    >
      <FilterBar
        filters={filters}
        isHeld={held !== undefined}
        onHold={() => setHeld(held === undefined ? [...fleet.events] : undefined)}
      />
      <Card label="Events">
        {matching.length === 0 ? (
          <Empty title="No event matches">Change the filter, or read older events.</Empty>
        ) : (
          <ol class="story" reversed>
            {matching
              .slice(-shown)
              .reverse()
              .map((event) => (
                <Line key={event.seq} event={event} />
              ))}
          </ol>
        )}
        {(firstSeq > 1 || matching.length > shown) && (
          <Button onClick={() => void readOlder()}>Older events</Button>
        )}
      </Card>
    </Page>
  );
}

/** Events before and after one that are searched for its cause and its effects: those of one change are near. */
const NEAR = 200;

export function EventPage({ seq }: { readonly seq: number }) {
  const last = Math.max(fleet.seq, (session.value as { lastSeq?: number } | null | undefined)?.lastSeq ?? 0);
  const { data, error } = useQuery(
    () => readEvents(Math.max(1, seq - NEAR), Math.min(Math.max(last, seq), seq + NEAR)),
    [seq],
  );
  const event = data?.find((one) => one.seq === seq);
  const cause = event && data?.find(({ id }) => id === event.causationid && id !== event.id);
  const effects =
    (event && data?.filter(({ causationid, id }) => causationid === event.id && id !== event.id)) ?? [];
  return (
    <Page
      title={`Event #${seq}`}
      lead={event && <Time ms={Date.parse(event.time)} withAge />}
      actions={
        <>
          {seq > 1 && (
            <a class="button" href={to(["log", String(seq - 1)])}>
              Previous
            </a>
          )}
          <a class="button" href={to(["log", String(seq + 1)])}>
            Next
          </a>
          <a class="button" href={to(["time"], { at: String(seq) })}>
            The fleet then
          </a>
        </>
      }
    >
      {error !== undefined && <ErrorNote error={error} />}
      {data === undefined && error === undefined && <Loading lines={8} />}
      {data !== undefined && event === undefined && (
        <Card>
          <Empty title={`The log has no readable event #${seq}`}>
            <a href={to(["log"])}>The log</a>
          </Empty>
        </Card>
      )}
      {event !== undefined && (
        <>
          <Card title={`${event.subject} ${whatHappened(event)}`}>
            <Facts
              facts={[
                ["Aggregate", <Subject key="subject" subject={event.subject} />],
                ["Type", <code key="type">{event.type}</code>],
                ["Version", event.aggregateversion],
                ["Decided by", decidedBy(event) || "not recorded"],
                [
                  "Cause",
                  cause === undefined ? (
                    <span key="cause">
                      a command, or an event that is far away (<code>{event.causationid}</code>)
                    </span>
                  ) : (
                    <ol key="cause" class="story">
                      <Line event={cause} />
                    </ol>
                  ),
                ],
              ]}
            />
          </Card>
          <Card title={`Effects (${effects.length})`}>
            {effects.length === 0 ? (
              <p class="muted">No event near it names this one as its cause.</p>
            ) : (
              <ol class="story">
                {effects.map((one) => (
                  <Line key={one.seq} event={one} />
                ))}
              </ol>
            )}
          </Card>
          <Card title="Data">
            <pre class="code-block">{JSON.stringify(event.data, undefined, 2)}</pre>
          </Card>
        </>
      )}
    </Page>
  );
}
