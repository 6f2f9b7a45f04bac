/**
 * A live table of the cells. On a terminal it is redrawn in place; otherwise it is printed every 2 s.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { VmSample, VmView } from "@bioxen/contracts";
import { say } from "../run.ts";
import type { Session } from "../session.ts";
import { bar, minutes, paintState, table } from "../terminal.ts";

const REDRAW_MS = 250;
/** Interval between two printed tables when stdout is not a terminal, ms. */
const BLOCK_MS = 2_000;

export class LiveTable {
  readonly #session: Session;
  #linesDrawn = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Shows the table of the cells, refreshed at each interval, for `durationMs`. */
  async show(durationMs: number): Promise<void> {
    const tty = process.stdout.isTTY === true;
    const end = Date.now() + durationMs;
    for (;;) {
      this.#draw(await this.#text(), tty);
      const left = end - Date.now();
      if (left <= 0) return;
      await sleep(Math.min(left, tty ? REDRAW_MS : BLOCK_MS));
    }
  }

  #draw(text: string, tty: boolean): void {
    if (tty && this.#linesDrawn > 0) process.stdout.write(`\u001b[${this.#linesDrawn}A\u001b[J`);
    say(tty ? text : `${text}\n`);
    this.#linesDrawn = text.split("\n").length;
  }

  async #text(): Promise<string> {
    const [{ vms }, fleet] = await Promise.all([
      this.#session.ask("vmList", {}),
      this.#session.ask("monitorFleet", {}),
    ]);
    const samples = new Map(fleet.samples.map((sample) => [sample.vmId, sample]));
    const rows = vms.map((vm) => rowOf(vm, samples.get(vm.vmId)));
    return table(
      ["VM", "STATE", "CHASSIS", "DOUBLING", "RIBOSOMES", "", "ATP", "DIVISIONS", "SIM TIME"],
      rows,
    );
  }
}

function rowOf(vm: VmView, sample: VmSample | undefined): string[] {
  const start = [vm.vmId, paintState(vm.state), vm.chassisId ?? "–"];
  if (sample === undefined) return [...start, "–", "", "", "–", "–", "–"];
  const { ribosomes, atp } = sample;
  const engaged = (1000 * ribosomes.engaged) / ribosomes.cap;
  return [
    ...start,
    minutes(sample.doublingTimeMinutes),
    bar(engaged, 10),
    `${ribosomes.engaged.toFixed(0)} of ${ribosomes.cap}`,
    `${((100 * atp.perSecond) / atp.capPerSecond).toFixed(0)} %`,
    String(sample.divisions),
    `${(sample.simMinutes / 60).toFixed(1)} h`,
  ];
}
