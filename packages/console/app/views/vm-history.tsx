/**
 * The history of a VM as a story: what happened, who decided it, and which event caused it.
 */

import { useState } from "preact/hooks";
import { all } from "../api/client.ts";
import { aggregateOf, decidedBy, whatHappened } from "../model/story.ts";
import type { LogEvent, VmView } from "../model/types.ts";
import { verbOf } from "../model/vm-events.ts";
import { to } from "../router.ts";
import { Button, Card, ErrorNote, Loading, Time } from "../ui/basics.tsx";
import { useQuery } from "../ui/use-query.ts";

type Told = LogEvent & {
  readonly causedBy: { readonly seq: number; readonly type: string; readonly subject: string } | null;
};

function Cause({ event }: { readonly event: Told }) {
  const { causedBy } = event;
  if (causedBy === null) return null;
  const { kind, id } = aggregateOf({ subject: causedBy.subject.replace(/^bioxen\.evt\.([^.]+)\./, "$1/") });
  const verb = causedBy.type.split(".")[2] ?? "";
  return (
    <a class="small" href={to(["log", String(causedBy.seq)])}>
      because of #{causedBy.seq}: {kind} {id} {verb}
    </a>
  );
}

export function HistoryTab({ vm }: { readonly vm: VmView }) {
  const { data, error, isLoading } = useQuery(
    () => all<Told>("vm", "history", "events", { vmId: vm.vmId }),
    [vm.vmId, vm.version],
  );
  // A running cell stores its state every minute: these events would hide the others.
  const [hasCheckpoints, setCheckpoints] = useState(false);
  const shown = data?.filter(({ type }) => hasCheckpoints || verbOf(type) !== "checkpointed");
  return (
    <Card
      title="History"
      actions={
        <>
          {shown !== undefined && <span class="muted small num">{shown.length} events, newest first</span>}
          <Button pressed={hasCheckpoints} onClick={() => setCheckpoints(!hasCheckpoints)}>
            Stored states
          </Button>
        </>
      }
    >
      {error !== undefined && <ErrorNote error={error} />}
      {data === undefined && isLoading && <Loading lines={8} />}
      <ol class="story" reversed>
        {shown?.toReversed().map((event) => (
          <li key={event.seq}>
            <span class="when small muted num">
              <Time ms={Date.parse(event.time)} />
            </span>
            <span class="what">
              {whatHappened(event)}
              <span class="by small muted">
                {" "}
                {decidedBy(event)} <Cause event={event} />
              </span>
            </span>
            <a class="num small" href={to(["log", String(event.seq)])}>
              #{event.seq}
            </a>
          </li>
        ))}
      </ol>
    </Card>
  );
}
