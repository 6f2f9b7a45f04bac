/**
 * A live table of the cells. On a terminal it is redrawn in place; otherwise it is printed every 2 s.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { VmSample, VmView } from "@bioxen/contracts";
import { doublingTime, simTime } from "../quantities.ts";
import { say, textStream } from "../run.ts";
import { rowsOnScreen, screenColumns } from "../screen.ts";
import type { Session } from "../session.ts";
import { type Column, table } from "../table.ts";
import { bar, paintState } from "../terminal.ts";

const REDRAW_MS = 250;
/** Interval between two printed tables when stdout is not a terminal, ms. */
const BLOCK_MS = 2_000;
/** Width of the bar that shows the share of the engaged ribosomes, in columns. */
const BAR_COLUMNS = 10;
/** Rows of a terminal of unknown height: the height of the terminals of the seventies, which is still the default. */
const USUAL_ROWS = 24;

const COLUMNS: readonly Column[] = [
  { head: "VM" },
  { head: "STATE" },
  { head: "CHASSIS", importance: 3 },
  { head: "DOUBLING", importance: 6 },
  { head: "", importance: 2 },
  { head: "RIBOSOMES", importance: 1 },
  { head: "ATP", importance: 0 },
  { head: "DIVISIONS", importance: 4 },
  { head: "SIM TIME", importance: 5 },
];

export class LiveTable {
  readonly #session: Session;
  #drawn = "";

  constructor(session: Session) {
    this.#session = session;
  }

  /** Shows the table of the cells, refreshed at each interval, for `durationMs`. */
  async show(durationMs: number): Promise<void> {
    const tty = textStream().isTTY === true;
    const end = Date.now() + durationMs;
    for (;;) {
      this.#draw(await this.#text(), tty);
      const left = end - Date.now();
      if (left <= 0) return;
      await sleep(Math.min(left, tty ? REDRAW_MS : BLOCK_MS));
    }
  }

  #draw(text: string, tty: boolean): void {
    if (!tty) {
      say(`${text}\n`);
      return;
    }
    const stream = textStream();
    const shown = withinRows(text, stream.rows || USUAL_ROWS);
    stream.write(`${repaint(this.#drawn, screenColumns(stream))}${shown}\n`);
    this.#drawn = shown;
  }

  async #text(): Promise<string> {
    const [{ vms }, fleet] = await Promise.all([
      this.#session.ask("vmList", {}),
      this.#session.ask("monitorFleet", {}),
    ]);
    return liveTable(vms, fleet.samples, screenColumns(textStream()));
  }
}

/**
 * Returns the control sequence that moves the cursor to the first row of the drawn text and erases that text. The text
 * may take more rows than it has lines, because the user has made the terminal narrower.
 */
export function repaint(drawn: string, columns: number | undefined): string {
  if (drawn === "" || columns === undefined) return "";
  return `\u001b[${rowsOnScreen(drawn, columns)}A\r\u001b[J`;
}

/** Returns the lines of the table that fit the terminal. The cursor cannot go back to rows that have scrolled away. */
export function withinRows(text: string, rows: number): string {
  const lines = text.split("\n");
  // One row is left for the cursor, and one for the number of omitted lines.
  if (lines.length < rows) return text;
  const kept = lines.slice(0, Math.max(1, rows - 2));
  return [...kept, `… and ${lines.length - kept.length} more`].join("\n");
}

/** Returns the table of the cells with their latest measurements. */
export function liveTable(
  vms: readonly VmView[],
  samples: readonly VmSample[],
  columns: number | undefined,
): string {
  const sampleOf = new Map(samples.map((sample) => [sample.vmId, sample]));
  return table(
    COLUMNS,
    vms.map((vm) => rowOf(vm, sampleOf.get(vm.vmId))),
    columns,
  );
}

function rowOf(vm: VmView, sample: VmSample | undefined): string[] {
  const start = [vm.vmId, paintState(vm.state), vm.chassisId ?? "–"];
  if (sample === undefined) return [...start, "–", "", "", "–", "–", "–"];
  const { ribosomes, atp } = sample;
  if (ribosomes === undefined || atp === undefined)
    return [
      ...start,
      sample.growthRatePerMinute === undefined ? "–" : doublingTime(sample.doublingTimeMinutes),
      "",
      "–",
      "–",
      String(sample.divisions ?? "–"),
      simTime(sample.simMinutes),
    ];
  const engaged = (1000 * ribosomes.engaged) / ribosomes.cap;
  return [
    ...start,
    doublingTime(sample.doublingTimeMinutes),
    bar(engaged, BAR_COLUMNS),
    `${ribosomes.engaged.toFixed(0)} of ${ribosomes.cap}`,
    `${((100 * atp.perSecond) / atp.capPerSecond).toFixed(0)} %`,
    String(sample.divisions ?? "–"),
    simTime(sample.simMinutes),
  ];
}
