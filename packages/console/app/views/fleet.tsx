/**
 * The overview: every chassis as a map of its cells with the use of its resources, and what waits for a place.
 */
import { CellMap } from "../charts/cell-map.tsx";
import { type ColourBy, legendOf } from "../charts/palette.ts";
import { alerts, fleet, isTenant, mayCommand, nowMs, samplesTick, viewsTick } from "../live.ts";
import type { ChassisView, VmView } from "../model/types.ts";
import { count, figure, inOrder, resourceName, span } from "../model/words.ts";
import { route, setFields, to } from "../router.ts";
import { Badge, Button, Card, Empty, type Figure, Figures, Loading, ResourceBar } from "../ui/basics.tsx";
import { Page } from "../ui/page.tsx";

const MODES: readonly ColourBy[] = ["growth", "health", "owner"];

export function chassisState(chassis: ChassisView): string {
  return chassis.state === "ready" && chassis.cordoned ? "cordoned" : chassis.state;
}

/** What VMs of a chassis borrow now beyond their allocation, by resource. */
export function lentOn(vms: readonly VmView[]): Readonly<Record<string, number>> {
  const sum: Record<string, number> = {};
  for (const { vmId } of vms) {
    const lent = fleet.samples.get(vmId)?.lent;
    // Most VMs borrow nothing.
    if (lent === undefined) continue;
    for (const [name, amount] of Object.entries(lent)) sum[name] = (sum[name] ?? 0) + amount;
  }
  return sum;
}

export function ResourceBars({
  chassis,
  vms,
}: {
  readonly chassis: ChassisView;
  readonly vms: readonly VmView[];
}) {
  void samplesTick.value;
  const lent = lentOn(vms);
  const ledger = fleet.ledgers.get(chassis.chassisId);
  return (
    <div class="resources">
      {inOrder(chassis.offered).map(([name, offered]) => {
        const free = ledger?.free[name] ?? chassis.free?.[name] ?? offered;
        return (
          <ResourceBar
            key={name}
            name={name}
            offered={offered}
            reserved={offered - free}
            lent={lent[name] ?? 0}
          />
        );
      })}
    </div>
  );
}

function Summary() {
  void samplesTick.value;
  const states = new Map<string, number>();
  let health = 0;
  let measured = 0;
  for (const { vmId, state } of fleet.vms.values()) {
    states.set(state, (states.get(state) ?? 0) + 1);
    const sample = fleet.samples.get(vmId);
    if (state !== "running" || sample === undefined) continue;
    health += sample.health;
    measured += 1;
  }
  const waiting = (states.get("pending") ?? 0) + (states.get("starting") ?? 0);
  const figures: readonly Figure[] = [
    ["VMs", count(fleet.vms.size)],
    ["Running", count(states.get("running") ?? 0)],
    ["Paused", count(states.get("paused") ?? 0)],
    ["Waiting", count(waiting)],
    ["Error", count(states.get("error") ?? 0)],
    ["Mean health", measured === 0 ? "–" : figure(health / measured), "of 100"],
    ["Active alerts", count(alerts.value.length)],
    ["Log", `#${fleet.seq}`],
  ];
  return <Figures label="Summary of the fleet" figures={figures} />;
}

/** Why each chassis refuses a VM, in a line each: the resource that is short, where that is the reason. */
function Refusals({ refusals }: { readonly refusals: VmView["refusals"] }) {
  if (refusals.length === 0) return <p class="small muted">The scheduler has not decided yet.</p>;
  return (
    <ul class="refusals small muted">
      {refusals.map(({ chassisId, message, resource, requested, free }) => (
        <li key={`${chassisId} ${message}`} title={message}>
          {chassisId ?? "cluster"}:{" "}
          {resource === undefined || requested === undefined || free === undefined
            ? message
            : `${resourceName(resource)} ${count(requested)} asked, ${count(free)} free`}
        </li>
      ))}
    </ul>
  );
}

function Waiting() {
  const waiting = [...fleet.vms.values()]
    .filter(({ state }) => state === "pending")
    .sort((a, b) => b.priority - a.priority || (a.pendingSinceMs ?? 0) - (b.pendingSinceMs ?? 0));
  return (
    <Card title="Waiting for a place">
      {waiting.length === 0 ? (
        <p class="muted">Every VM that was started has a place.</p>
      ) : (
        <ul class="waiting">
          {waiting.slice(0, WAITING_SHOWN).map((vm) => (
            <li key={vm.vmId}>
              <p class="row between">
                <a href={to(["vms", vm.vmId])}>{vm.vmId}</a>
                <span class="num small muted">{span(nowMs.value - (vm.pendingSinceMs ?? nowMs.value))}</span>
              </p>
              <Refusals refusals={vm.refusals} />
            </li>
          ))}
        </ul>
      )}
      {waiting.length > WAITING_SHOWN && (
        <a href={to(["vms"], { state: "pending" })}>All {waiting.length} that wait</a>
      )}
    </Card>
  );
}
/** Waiting VMs on the overview: what fits beside the maps. */
const WAITING_SHOWN = 12;

export function ChassisCard({
  chassis,
  vms,
  by,
  zoom,
}: {
  readonly chassis: ChassisView;
  readonly vms: readonly VmView[];
  readonly by: ColourBy;
  readonly zoom: number;
}) {
  const { chassisId, chassisType, maxVms } = chassis;
  return (
    <Card
      label={`Chassis ${chassisId}`}
      title={
        <>
          <a href={to(["chassis", chassisId])}>{chassisId}</a> <span class="muted small">{chassisType}</span>
        </>
      }
      actions={
        <>
          <span class="num small muted">
            {count(vms.length)} of {count(maxVms)} VMs
          </span>
          <Badge state={chassisState(chassis)} />
        </>
      }
    >
      <CellMap chassisId={chassisId} vms={vms} by={by} zoom={zoom} />
      <ResourceBars chassis={chassis} vms={vms} />
    </Card>
  );
}

/** Pages of VMs still arrive: the maps show those that are there. */
function Reading() {
  return (
    <p class="small muted" role="status">
      Reading the VMs…
    </p>
  );
}

export function FleetView() {
  void viewsTick.value;
  const { by = "growth", zoom = "0" } = route.value.fields;
  const mode = MODES.find((one) => one === by) ?? "growth";
  const groups = fleet.vms.byChassis();
  const owners = [...new Set([...fleet.vms.values()].map(({ owner }) => owner))].sort();
  const chassis = [...fleet.chassis.values()];
  const zoomTo = (step: number) =>
    setFields({ zoom: String(Math.min(4, Math.max(-4, Number(zoom) + step))) });
  return (
    <Page
      title="Fleet"
      actions={
        mayCommand.value && (
          <a class="button primary" href={to(["create"])}>
            Create a VM
          </a>
        )
      }
    >
      <Summary />
      {!fleet.loaded && (chassis.length === 0 ? <Loading lines={10} /> : <Reading />)}
      {fleet.loaded && chassis.length === 0 && (
        <Card>
          <Empty title="No chassis is registered">
            An agent registers its chassis when it starts: <code>bioxen up --chassis ecoli:1</code>
          </Empty>
        </Card>
      )}
      {chassis.length > 0 && (
        <>
          <div class="row between">
            <fieldset class="row group">
              <legend class="label">Colour by</legend>
              {MODES.map((one) => (
                <Button key={one} pressed={one === mode} onClick={() => setFields({ by: one })}>
                  {one}
                </Button>
              ))}
              <Button label="Smaller cells" onClick={() => zoomTo(-1)}>
                −
              </Button>
              <Button label="Larger cells" onClick={() => zoomTo(1)}>
                +
              </Button>
            </fieldset>
            <p class="legend">
              {legendOf(mode, owners).map(({ colour, text }) => (
                <span key={text}>
                  <span class="swatch" style={{ background: colour }} />
                  {text}
                </span>
              ))}
              {mode !== "owner" && <span>hollow: not running</span>}
            </p>
          </div>
          <div class="with-side">
            <div class="columns">
              {chassis.map((one) => (
                <ChassisCard
                  key={one.chassisId}
                  chassis={one}
                  vms={groups.get(one.chassisId) ?? []}
                  by={mode}
                  zoom={Number(zoom) || 0}
                />
              ))}
            </div>
            {isTenant.value ? null : <Waiting />}
          </div>
        </>
      )}
    </Page>
  );
}
