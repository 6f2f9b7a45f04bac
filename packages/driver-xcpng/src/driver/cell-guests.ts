/** The cells of one driver: how they are made, what each guest can do, and which language its programs have. */
import { CELL_RATES } from "@bioxen/guest-agent/protocol";
import {
  DriverError,
  type ExecOptions,
  type ExecOutcome,
  type GuestCapabilities,
  type GuestEvent,
} from "@bioxen/vm-driver";
import { CellCalls } from "./cell-calls.ts";
import { isCell, type KnownCell } from "./cell-reports.ts";
import { Cells } from "./cells.ts";
import type { XcpngDriverOptions } from "./driver-options.ts";
import type { Inventory, OwnVm } from "./inventory.ts";
import { CELL_POLL_MS, DEFAULT_AGENT_WAIT_MS } from "./limits.ts";
import { NO_SSH, type Programs, requireProgram } from "./programs.ts";

export function cellsOf(
  options: XcpngDriverOptions,
  inventory: Inventory,
  programs: Programs | undefined,
  emit: (event: GuestEvent) => void,
): Cells {
  const cells = new Cells({
    inventory,
    calls: programs && new CellCalls(programs),
    timeScale: options.timeScaleMinutesPerSecond ?? 1,
    waitMs: options.agentWaitMs ?? DEFAULT_AGENT_WAIT_MS,
    emit,
  });
  cells.pollEvery(options.cellPollMs ?? CELL_POLL_MS);
  return cells;
}

export function guestCapabilitiesOf(known: KnownCell, shell: boolean): GuestCapabilities {
  if (isCell(known)) return { cell: true, language: "lua", shell, meters: CELL_RATES };
  return { cell: false, language: known.isAbsent ? "shell" : null, shell, meters: [] };
}

/** Runs a program in the machine that `target` returns, in the language of its guest or as shell. */
export async function execIn(
  programs: Programs | undefined,
  cells: Cells,
  target: () => OwnVm,
  source: string,
  options: ExecOptions,
): Promise<ExecOutcome> {
  const vm = target();
  if (programs === undefined) throw new DriverError("UNSUPPORTED", NO_SSH);
  requireProgram(source, options.timeoutMs);
  const language = options.shell === true ? "shell" : await cells.language(vm);
  if (language === "lua") return cells.exec(target, source, options.timeoutMs);
  return programs.run(target, source, options);
}
