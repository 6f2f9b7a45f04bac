/**
 * The columns of the VM table: their content and sort keys.
 *
 * The columns are listed by importance. On a narrow terminal the last columns are omitted, except the sort column.
 */
import { isCellSample } from "@bioxen/contracts";
import { doublingTime, shownHealth, simTime } from "../quantities.ts";
import type { TopVm } from "./picture.ts";

export interface Column {
  readonly name: string;
  readonly width: number;
  /** Whether the text is right-aligned, as numbers are. */
  readonly right?: boolean;
  readonly cell: (vm: TopVm, atMs: number) => string;
  /** Returns the sort key of a VM. A VM whose key is null comes last in both directions. */
  readonly key: (vm: TopVm, atMs: number) => number | string | null;
  /** Whether the default order is descending, as for numbers; names are sorted in ascending order. */
  readonly descending?: boolean;
}

/** Returns a right-aligned column of numbers, sorted in descending order; a missing value is shown as a dash. */
function number(
  name: string,
  width: number,
  value: (vm: TopVm, atMs: number) => number | null,
  show: (value: number) => string = (v) => v.toFixed(0),
): Column {
  const cell = (vm: TopVm, atMs: number) => {
    const v = value(vm, atMs);
    return v === null ? "–" : show(v);
  };
  return { name, width, right: true, cell, key: value, descending: true };
}

/** Returns `used` in percent of `cap`; null when either is unknown or `cap` is zero. */
function share(used: number | undefined, cap: number | undefined): number | null {
  return used === undefined || cap === undefined || cap === 0 ? null : (100 * used) / cap;
}

/** Returns true for a sample of a cell: a machine without one has no value for growth, divisions and simulated time. */
function isCell(sample: TopVm["sample"]): sample is NonNullable<TopVm["sample"]> {
  return sample !== null && isCellSample(sample);
}

const percent = (value: number) => `${value.toFixed(0)} %`;

export const COLUMNS: readonly Column[] = [
  { name: "VM", width: 16, cell: ({ vm }) => vm.vmId, key: ({ vm }) => vm.vmId },
  { name: "STATE", width: 9, cell: ({ vm }) => vm.state, key: ({ vm }) => vm.state },
  { name: "CHASSIS", width: 12, cell: ({ vm }) => vm.chassisId ?? "–", key: ({ vm }) => vm.chassisId },
  {
    name: "DOUBLING",
    width: 10,
    right: true,
    cell: ({ sample }) => doublingTime(sample?.doublingTimeMinutes),
    key: ({ sample }) => sample?.doublingTimeMinutes ?? null,
  },
  number("RIBO", 6, ({ sample }) => share(sample?.ribosomes?.engaged, sample?.ribosomes?.cap), percent),
  number("ATP", 6, ({ sample }) => share(sample?.atp?.perSecond, sample?.atp?.capPerSecond), percent),
  number("HEALTH", 6, ({ sample }) => (sample === null ? null : shownHealth(sample))),
  number("PRIO", 4, ({ vm }) => vm.priority),
  number("DIV", 6, ({ sample }) => sample?.divisions ?? null),
  number("SIM", 11, ({ sample }) => sample?.simMinutes ?? null, simTime),
  { name: "TYPE", width: 12, cell: ({ vm }) => vm.biologicalType, key: ({ vm }) => vm.biologicalType },
  number(
    "LAG",
    8,
    ({ sample }) => (isCell(sample) ? sample.lagMs : null),
    (v) => `${v.toFixed(0)} ms`,
  ),
  number(
    "AGE",
    8,
    ({ vm }, atMs) => (atMs - vm.createdAtMs) / 60_000,
    (v) => `${v.toFixed(0)} min`,
  ),
];

/** Returns the columns that fit into `width` characters. The column that the VMs are sorted by is always included. */
export function fittingColumns(width: number, sortedBy: string): Column[] {
  const wanted = COLUMNS.filter((column) => column.name === sortedBy);
  let left = width - wanted.reduce((sum, column) => sum + column.width + 1, 0);
  const shown = new Set(wanted);
  for (const column of COLUMNS) {
    if (shown.has(column)) continue;
    left -= column.width + 1;
    if (left < 0) break;
    shown.add(column);
  }
  return COLUMNS.filter((column) => shown.has(column));
}

/** Returns the VMs sorted by a column; VMs with equal keys by id. An unknown column name selects the first column. */
export function sortedVms(vms: readonly TopVm[], by: string, reversed: boolean, atMs: number): TopVm[] {
  const column = COLUMNS.find(({ name }) => name === by) ?? COLUMNS[0];
  if (column === undefined) return [...vms];
  const sign = (column.descending === true) !== reversed ? -1 : 1;
  const byId = (a: TopVm, b: TopVm) => (a.vm.vmId < b.vm.vmId ? -1 : 1);
  return [...vms].sort((a, b) => {
    const left = column.key(a, atMs);
    const right = column.key(b, atMs);
    if (left === right) return byId(a, b);
    if (left === null) return 1;
    if (right === null) return -1;
    return left < right ? -sign : sign;
  });
}
