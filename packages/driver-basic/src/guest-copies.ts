/**
 * Programs that run on a copy of a guest: the copy starts from a checkpoint of this moment, and is dropped afterwards, so
 * that the guest does not change. What the copy prints is in the reply only.
 */
import type { ExecOutcome } from "@bioxen/vm-driver";
import { CellGuest } from "./cell-guest.ts";
import { cellView, luaEnvironmentBounds } from "./cell-view.ts";
import type { GuestCalls } from "./guest-calls.ts";
import { checkpointOf } from "./guest-snapshots.ts";
import type { GuestTurns } from "./guest-turns.ts";
import { QUEUE_GRACE_MS } from "./limits.ts";
import type { LuaHost } from "./lua-host.ts";
import type { GuestKey } from "./lua-protocol.ts";

export interface CopyPorts {
  readonly lua: LuaHost;
  readonly calls: GuestCalls;
  readonly turns: GuestTurns;
}

export class GuestCopies {
  readonly #ports: CopyPorts;
  /** Keys of copies are negative, those of guests are positive. */
  #lastKey: GuestKey = 0;

  constructor(ports: CopyPorts) {
    this.#ports = ports;
  }

  /**
   * Runs the VM's program and then the source on a copy of the guest, which goes on meanwhile. Rejects with `GUEST_ERROR`
   * or `TOO_LARGE` also if the guest has state that cannot be stored.
   */
  async exec(find: () => CellGuest, source: string, timeoutMs: number): Promise<ExecOutcome> {
    const { lua, calls, turns } = this.#ports;
    const copy = await turns.act(find, timeoutMs + QUEUE_GRACE_MS, (guest) => this.#copyOf(guest));
    const { vmId, biologicalType, seed, program } = copy.spec;
    const identity = { vmId, biologicalType, seed, environmentBounds: luaEnvironmentBounds(copy.model) };
    lua.open(copy.key, identity, program, copy.kept);
    try {
      if (program !== undefined) await calls.program(copy, program);
      return await calls.execOn(copy, source, timeoutMs);
    } finally {
      lua.drop(copy.key);
    }
  }

  async #copyOf(guest: CellGuest): Promise<CellGuest> {
    const { lua } = this.#ports;
    const { bytes } = checkpointOf(guest, await lua.keep(guest.key, cellView(guest)));
    const spec = { ...guest.spec, allocation: guest.cell.allocation, checkpoint: bytes, changes: [] };
    this.#lastKey -= 1;
    return CellGuest.boot(spec, this.#lastKey, guest.model);
  }
}
