/**
 * The stored states of a guest and of the second daughters of its cell: each is taken at one minute of the cell, with what
 * the Lua state keeps at this minute.
 */
import { type ModelSnapshot, WEISSE } from "@bioxen/cell-models";
import type { Daughter, GuestCheckpoint } from "@bioxen/vm-driver";
import type { CellGuest } from "./cell-guest.ts";
import { cellView } from "./cell-view.ts";
import { type BasicCheckpoint, encodeCheckpoint } from "./checkpoint.ts";
import type { GuestTurns } from "./guest-turns.ts";
import { KEEP_TIMEOUT_MS, QUEUE_GRACE_MS } from "./limits.ts";
import type { LuaHost } from "./lua-host.ts";
import type { KeptLua } from "./lua-kept.ts";

/** Longest wait for a guest that is busy, ms. */
const WITHIN_MS = KEEP_TIMEOUT_MS + QUEUE_GRACE_MS;

export class GuestSnapshots {
  readonly #lua: LuaHost;
  readonly #turns: GuestTurns;

  constructor(lua: LuaHost, turns: GuestTurns) {
    this.#lua = lua;
    this.#turns = turns;
  }

  /**
   * Returns the state of the guest that `find` returns. A guest whose second daughter was not taken yet is waited for: a
   * state behind the division has no way back to it.
   */
  take(find: () => CellGuest): Promise<GuestCheckpoint> {
    const body = async (guest: CellGuest): Promise<GuestCheckpoint> => {
      const lua = await this.#lua.keep(guest.key, cellView(guest));
      find();
      const checkpoint = checkpointOf(guest, lua);
      if (guest.followsLua) guest.restartFrom(checkpoint.bytes);
      return checkpoint;
    };
    const isReady = (guest: CellGuest) => guest.isSettled() && !guest.daughters.isWaiting;
    return this.#turns.act(find, WITHIN_MS, body, isReady);
  }

  /** Returns the oldest second daughter that was not taken yet; undefined if there is none. */
  daughter(find: () => CellGuest): Promise<Daughter | undefined> {
    return this.#turns.act(find, WITHIN_MS, async (guest) => {
      const { next } = guest.daughters;
      if (next === undefined) return undefined;
      const lua = await this.#lua.keep(guest.key, cellView(guest));
      const { hooksOff: off, hookErrorsInARow: errorsInARow } = guest;
      // The hooks of this minute are those of the mother.
      const hooks = { off, errorsInARow, minutes: 0, divisions: 0 };
      return { division: next.division, checkpoint: encoded(guest, next.cell, lua, hooks) };
    });
  }
}

/** Returns a checkpoint of the guest that contains the given Lua state. Throws `TOO_LARGE`. */
export function checkpointOf(guest: CellGuest, lua: KeptLua | null): GuestCheckpoint {
  return encoded(guest, guest.cell.snapshot(), lua, {
    off: guest.hooksOff,
    errorsInARow: guest.hookErrorsInARow,
    minutes: guest.minutesForHook,
    divisions: guest.divisionsForHook,
  });
}

function encoded(
  { spec, model, cell: { simMinutes }, changes, owedMinutes, luaInstructions }: CellGuest,
  cell: ModelSnapshot,
  lua: KeptLua | null,
  hooks: BasicCheckpoint["hooks"],
): GuestCheckpoint {
  const bytes = encodeCheckpoint({
    seed: spec.seed,
    cell,
    // Checkpoints of the built-in model do not name it: each of its versions continues the cells of the others, so that
    // an upgrade and the way back lose no cell.
    ...(model === WEISSE ? {} : { model: { name: model.name, version: model.version } }),
    owedMinutes,
    luaInstructions,
    hooks,
    lua,
    ...changes.kept(simMinutes),
  });
  return { bytes, simMinutes };
}
