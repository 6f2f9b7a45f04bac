/**
 * Formats chassis and ledgers as text.
 */
import type { ChassisView, LedgerView } from "@bioxen/contracts";
import { ago, amountsLine, inOptionOrder, resourceName } from "../quantities.ts";
import { screenColumns } from "../screen.ts";
import { type Column, type TableForm, table } from "../table.ts";
import { bar, paintState } from "../terminal.ts";

/** Text in place of an empty list of chassis. */
export const NO_CHASSIS =
  "no chassis is registered; `bioxen up` starts a stack with some, or register one of an agent with:\n" +
  "  bioxen chassis register ecoli-1 --type ecoli --agent local";

/** The columns of a table of chassis at a past event; the present has more. */
const PAST_COLUMNS: readonly Column[] = [
  { head: "CHASSIS" },
  { head: "TYPE", importance: 3 },
  { head: "STATE" },
  { head: "AGENT", importance: 1 },
  { head: "MAX VMS", importance: 4 },
  { head: "OFFERS", wraps: true },
];
const COLUMNS: readonly Column[] = [
  ...PAST_COLUMNS.slice(0, 4),
  { head: "HEARTBEAT", importance: 2 },
  ...PAST_COLUMNS.slice(4),
];

export function chassisTable(all: readonly ChassisView[], form: TableForm = {}): string {
  if (all.length === 0) return NO_CHASSIS;
  const rows = all.map((c) => [
    c.chassisId,
    c.chassisType,
    paintState(c.cordoned ? `${c.state}, cordoned` : c.state),
    c.agentId,
    c.heartbeatAgeMs === null ? "never" : `${ago(c.heartbeatAgeMs)} ago`,
    String(c.maxVms),
    amountsLine(c.offered),
  ]);
  return table(COLUMNS, rows, screenColumns(), form);
}

/**
 * Returns a table of chassis after a past event. The log has no heartbeats. Unlike {@link chassisTable}, this table
 * therefore has no heartbeats and no state that depends on heartbeats.
 */
export function pastChassisTable(all: readonly ChassisView[]): string {
  const rows = all.map((c) => [
    c.chassisId,
    c.chassisType,
    c.cordoned ? "cordoned" : "registered",
    c.agentId,
    String(c.maxVms),
    amountsLine(c.offered),
  ]);
  return all.length === 0 ? "no chassis was registered" : table(PAST_COLUMNS, rows);
}

const ENTRY_COLUMNS: readonly Column[] = [
  { head: "VM" },
  { head: "PHASE", importance: 2 },
  { head: "FENCE", importance: 1 },
  { head: "HOLDS", wraps: true },
];

export function ledgerWords(ledger: LedgerView): string {
  const rows = inOptionOrder(Object.keys(ledger.offered)).map((name) => {
    const offered = ledger.offered[name] ?? 0;
    const reserved = ledger.reserved[name] ?? 0;
    const permille = offered === 0 ? 0 : Math.round((reserved * 1000) / offered);
    const times = ledger.oversubscribePermille?.[name];
    const more = times === undefined ? "" : ` (${times / 1_000} × real capacity)`;
    const held = `${reserved} of ${offered}${more}`;
    return [resourceName(name), bar(permille), `${(permille / 10).toFixed(1)} %`, held];
  });
  const entries = ledger.entries.map((e) => [
    e.vmId,
    e.phase === "committed" ? "allocated" : "reserved",
    `#${e.fence}`,
    amountsLine(e.amounts),
  ]);
  const head = `${ledger.chassisId}: ${ledger.entries.length} of ${ledger.maxVms} VMs`;
  const use = table(["RESOURCE", { head: "USE", importance: 1 }, "", "HELD OF OFFER"], rows);
  return entries.length === 0 ? `${head}\n${use}` : `${head}\n${use}\n${table(ENTRY_COLUMNS, entries)}`;
}
