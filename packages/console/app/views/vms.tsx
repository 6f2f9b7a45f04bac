/**
 * The list of VMs: filtered as it is typed, sorted by any column, of any length.
 */
import { useMemo } from "preact/hooks";
import { relativeGrowth } from "../charts/palette.ts";
import { fleet, mayCommand, nowMs, samplesTick, viewsTick } from "../live.ts";
import type { VmView } from "../model/types.ts";
import { count, figure, percent, span } from "../model/words.ts";
import { route, setFields, to } from "../router.ts";
import { Card, Empty, Loading } from "../ui/basics.tsx";
import { Page } from "../ui/page.tsx";
import { type Column, sorted, VirtualList } from "../ui/virtual-list.tsx";
import { OWNER_COLUMN, PLACE_COLUMNS } from "./vm-columns.tsx";

const sampleOf = ({ vmId }: VmView) => fleet.samples.get(vmId);

const COLUMNS: readonly Column<VmView>[] = [
  ...PLACE_COLUMNS,
  {
    name: "doubling",
    title: "Doubling",
    width: 92,
    isNumber: true,
    cell: (vm) => doubling(vm),
    sortBy: (vm) => sampleOf(vm)?.doublingTimeMinutes ?? Number.MAX_VALUE,
  },
  {
    name: "growth",
    title: "Growth",
    width: 72,
    isNumber: true,
    cell: (vm) => growthText(vm),
    sortBy: (vm) => relativeGrowth(vm, sampleOf(vm)) ?? -1,
  },
  {
    name: "health",
    title: "Health",
    width: 64,
    isNumber: true,
    cell: (vm) => healthText(vm),
    sortBy: (vm) => sampleOf(vm)?.health ?? -1,
  },
  OWNER_COLUMN,
  {
    name: "priority",
    title: "Priority",
    width: 64,
    isNumber: true,
    cell: (vm) => vm.priority,
    sortBy: (vm) => vm.priority,
  },
  {
    name: "age",
    title: "Age",
    width: 72,
    isNumber: true,
    cell: (vm) => span(nowMs.value - vm.createdAtMs),
    sortBy: (vm) => -vm.createdAtMs,
  },
];

function doubling(vm: VmView): string {
  const minutes = sampleOf(vm)?.doublingTimeMinutes;
  return minutes == null ? "–" : `${figure(minutes)} min`;
}

function growthText(vm: VmView): string {
  const growth = relativeGrowth(vm, sampleOf(vm));
  return growth === undefined ? "–" : percent(growth);
}

function healthText(vm: VmView): string {
  const health = sampleOf(vm)?.health;
  return health === undefined ? "–" : String(Math.round(health));
}

const STATES = [
  "created",
  "pending",
  "starting",
  "running",
  "paused",
  "stopping",
  "stopped",
  "error",
] as const;

function matches(vm: VmView, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  const labels = Object.entries(vm.labels).map(([name, value]) => `${name}=${value}`);
  const text = [vm.vmId, vm.owner, vm.biologicalType, vm.chassisId ?? "", ...labels].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

function Filter({
  name,
  title,
  values,
  value,
}: {
  readonly name: string;
  readonly title: string;
  readonly values: readonly string[];
  readonly value: string;
}) {
  return (
    <label class="field">
      <span>{title}</span>
      <select value={value} onChange={(event) => setFields({ [name]: event.currentTarget.value })}>
        <option value="">Any</option>
        {values.map((one) => (
          <option key={one} value={one}>
            {one}
          </option>
        ))}
      </select>
    </label>
  );
}

export function VmsView() {
  const tick = viewsTick.value;
  const { q = "", state = "", chassis = "", owner = "", sort = "id" } = route.value.fields;
  const byTelemetry = /growth|health|doubling/.test(sort);
  const sampleTick = samplesTick.value;
  const items = useMemo(() => {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    const kept = fleet.vms
      .ordered()
      .filter(
        (vm) =>
          (state === "" || vm.state === state) &&
          (chassis === "" || vm.chassisId === chassis) &&
          (owner === "" || vm.owner === owner) &&
          matches(vm, words),
      );
    if (sort === "id") return kept;
    return sort === "-id" ? kept.toReversed() : sorted(kept, COLUMNS, sort);
  }, [tick, q, state, chassis, owner, sort, byTelemetry ? sampleTick : 0]);
  const owners = useMemo(() => [...new Set(fleet.vms.ordered().map((vm) => vm.owner))].sort(), [tick]);
  const isFiltered = `${q}${state}${chassis}${owner}` !== "";
  return (
    <Page
      title="VMs"
      lead={
        <span aria-live="polite">
          {isFiltered ? `${count(items.length)} of ${count(fleet.vms.size)}` : count(fleet.vms.size)} VMs
        </span>
      }
      actions={
        mayCommand.value && (
          <a class="button primary" href={to(["create"])}>
            Create a VM
          </a>
        )
      }
    >
      <div class="row">
        <label class="field grow">
          <span>Filter by id, label, type, owner</span>
          <input type="search" value={q} onInput={(event) => setFields({ q: event.currentTarget.value })} />
        </label>
        <Filter name="state" title="State" values={STATES} value={state} />
        <Filter name="chassis" title="Chassis" values={[...fleet.chassis.keys()]} value={chassis} />
        <Filter name="owner" title="Owner" values={owners} value={owner} />
      </div>
      <Card class="flush" label="List of VMs">
        {!fleet.loaded && items.length === 0 ? (
          <Loading lines={12} />
        ) : items.length === 0 ? (
          <Empty title={isFiltered ? "No VM matches the filter" : "There is no VM yet"}>
            {isFiltered ? (
              <a href={to(["vms"])}>Show all VMs</a>
            ) : (
              mayCommand.value && <a href={to(["create"])}>Create the first VM</a>
            )}
          </Empty>
        ) : (
          <VirtualList
            label="VMs"
            items={items}
            columns={COLUMNS}
            linkOf={(vm) => ({ text: vm.vmId, href: to(["vms", vm.vmId]) })}
            sort={sort}
            onSort={(next) => setFields({ sort: next })}
          />
        )}
      </Card>
    </Page>
  );
}
