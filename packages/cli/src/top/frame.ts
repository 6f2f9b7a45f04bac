/**
 * Draws one frame of `bioxen top` as lines of text that fit the terminal. A frame depends only on the fleet data (the
 * picture), the user's choices (the view) and the terminal size.
 *
 * From top to bottom: two lines about the fleet, the worst alerts (at most a fifth of the height), the chassis with
 * their fullest resource (at most a third), the VMs in the remaining rows, and the keys. On a small terminal the VMs
 * are omitted first.
 */
import { ago, resourceName, rounded, timeOfDay } from "../quantities.ts";
import { bar, fit, paint, paintState, SEVERITY_COLOURS } from "../terminal.ts";
import { type Column, fittingColumns, sortedVms } from "./columns.ts";
import type { TopChassis, TopPicture } from "./picture.ts";

export interface TopSize {
  readonly columns: number;
  readonly rows: number;
}

export interface TopView {
  readonly sortedBy: string;
  readonly reversed: boolean;
  /** Number of VMs that are scrolled out above the first visible row. */
  readonly scroll: number;
  /** Only VMs whose id, chassis, type or state contains this text are shown; an empty text shows all VMs. */
  readonly filter: string;
  /** True while the user types the filter: key presses then edit it. */
  readonly typing: boolean;
  readonly paused: boolean;
}

export const FIRST_VIEW: TopView = {
  sortedBy: "VM",
  reversed: false,
  scroll: 0,
  filter: "",
  typing: false,
  paused: false,
};

/** Minimum width of a frame, in characters. A narrower terminal cuts the frame off. */
const MIN_COLUMNS = 20;
/** Minimum height of a frame, in lines. A shorter terminal cuts the frame off. */
const MIN_ROWS = 4;
const BAR_CELLS = 20;
/** Smallest width of the column of chassis ids, in columns of the terminal. The largest is a third of the terminal. */
const MIN_NAME = 7;
/** Text in the line of a chassis, instead of its fullest resource, until the ledger of the chassis is open. */
const NO_LEDGER = "no ledger yet";

/**
 * Returns the lines of one frame. `trouble` is the reason why the data is out of date; if given, it replaces the line
 * of keys.
 */
export function frameOf(picture: TopPicture, view: TopView, size: TopSize, trouble?: string): string[] {
  const columns = Math.max(MIN_COLUMNS, size.columns);
  const rows = Math.max(MIN_ROWS, size.rows);
  const head = headLines(picture, columns);
  const alerts = alertLines(picture, columns, Math.max(1, Math.floor(rows / 5)));
  const chassis = chassisLines(picture.chassis, columns, Math.max(1, Math.floor(rows / 3)));
  const keys = trouble === undefined ? keysLine(view, columns) : paint("red", fit(trouble, columns));
  const room = rows - head.length - alerts.length - chassis.length - 1;
  const body = room >= 2 ? vmLines(picture, view, columns, room) : [];
  return [...head, ...alerts, ...chassis, ...body].slice(0, rows - 1).concat(keys);
}

/** Returns one line per alert, at most `most` lines. When alerts are omitted, the last line gives their number. */
function alertLines({ alerts, alertsTotal, atMs }: TopPicture, columns: number, most: number): string[] {
  const shown = alertsTotal > most ? alerts.slice(0, most - 1) : alerts;
  const lines = shown.map(({ severity, ruleId, target, metric, value, sinceMs }) => {
    const text = `${severity.padEnd(8)} ${ruleId} ${target}: ${metric} = ${rounded(value)}, ${ago(atMs - sinceMs)} ago`;
    return paint(SEVERITY_COLOURS[severity], fit(text, columns));
  });
  const more = alertsTotal - shown.length;
  return more === 0 ? lines : [...lines, paint("red", fit(`! ${more} more alerts`, columns))];
}

function headLines({ fleet, chassis, atMs }: TopPicture, columns: number): string[] {
  const states = Object.entries(fleet.vms)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${count} ${state}`)
    .join(", ");
  const fairness = fleet.fairness === null ? "" : `, fairness ${fleet.fairness.toFixed(2)}`;
  const health = fleet.health === null ? "" : `, health ${fleet.health.toFixed(0)}`;
  const time = timeOfDay(atMs);
  return [
    paint("bold", fit(`bioxen ${time}  ${chassis.length} chassis  VMs: ${states || "none"}`, columns)),
    fit(`${fleet.divisions} divisions${health}${fairness}`, columns),
  ];
}

/**
 * Returns at most `most` lines, one per chassis with its fullest resource: that resource limits which VMs still fit.
 */
function chassisLines(all: readonly TopChassis[], columns: number, most: number): string[] {
  const shown = all.length > most ? all.slice(0, most - 1) : all;
  const longest = Math.max(MIN_NAME, ...shown.map(({ chassis }) => chassis.chassisId.length));
  const nameWidth = Math.min(longest, Math.max(MIN_NAME, Math.floor(columns / 3)));
  const lines = shown.map(({ chassis, ledger }) => {
    const fullest = fullestOf(ledger);
    const flags = `${chassis.state === "ready" ? "" : ` ${chassis.state}`}${chassis.cordoned ? " cordoned" : ""}`;
    const text = `${bar(fullest.permille, BAR_CELLS)} ${(fullest.permille / 10).toFixed(0).padStart(3)} % ${resourceName(fullest.resource)}`;
    const count = `${ledger?.entries.length ?? 0}/${chassis.maxVms} VMs`;
    return fit(`${fit(chassis.chassisId, nameWidth)} ${text}  ${count}${flags}`, columns);
  });
  if (shown.length < all.length) lines.push(fit(`… and ${all.length - shown.length} more chassis`, columns));
  return lines;
}

function fullestOf(ledger: TopChassis["ledger"]): { resource: string; permille: number } {
  let fullest = { resource: NO_LEDGER, permille: 0 };
  for (const [resource, offered] of Object.entries(ledger?.offered ?? {})) {
    const permille = offered === 0 ? 0 : Math.round(((ledger?.reserved[resource] ?? 0) * 1000) / offered);
    if (permille > fullest.permille || fullest.resource === NO_LEDGER) fullest = { resource, permille };
  }
  return fullest;
}

function vmLines(picture: TopPicture, view: TopView, width: number, room: number): string[] {
  const columns = fittingColumns(width, view.sortedBy);
  const { atMs } = picture;
  const found = picture.vms.filter(({ vm }) => matches(vm, view.filter));
  const sorted = sortedVms(found, view.sortedBy, view.reversed, atMs);
  const scroll = Math.min(view.scroll, Math.max(0, sorted.length - (room - 1)));
  const header = columns
    .map((column) => {
      const marked = column.name === view.sortedBy ? `${column.name}${arrowOf(column, view)}` : column.name;
      return fit(marked, column.width, column.right);
    })
    .join(" ");
  const rows = sorted.slice(scroll, scroll + room - 1).map((vm) =>
    columns
      .map((column) => {
        const text = fit(column.cell(vm, atMs), column.width, column.right);
        return column.name === "STATE" ? paintState(text) : text;
      })
      .join(" "),
  );
  return [paint("grey", fit(header, width)), ...rows];
}

function arrowOf(column: Column, view: TopView): string {
  return (column.descending === true) === view.reversed ? "▲" : "▼";
}

function matches(vm: TopPicture["vms"][number]["vm"], filter: string): boolean {
  if (filter === "") return true;
  return [vm.vmId, vm.chassisId ?? "", vm.biologicalType, vm.state].some((text) => text.includes(filter));
}

function keysLine(view: TopView, columns: number): string {
  if (view.typing) return fit(`filter: ${view.filter}▏ (Enter keeps it, Esc clears it)`, columns);
  const filter = view.filter === "" ? "" : ` [${view.filter}]`;
  const state = view.paused ? " PAUSED" : "";
  return paint(
    "grey",
    fit(`q quit  ←→ sort by  r reverse  ↑↓ scroll  / filter${filter}  p pause${state}`, columns),
  );
}
