/**
 * What one guest's Lua heap holds, and when its growth calls for a look at the clock.
 *
 * Lua asks for every block through one function; refusing one makes Lua collect its garbage, ask again, and raise "not
 * enough memory" if that fails too. The account also knows the long strings alive, because they are what makes single
 * instructions slow. It counts what Lua asked for, not the few bytes per block the allocator below adds.
 */
import {
  ALLOCATION_BYTES_PER_LOOK,
  GUEST_MEMORY_BYTES,
  HOOK_INTERVAL,
  HOST_HEADROOM_BYTES,
  LONG_STRING_BYTES,
} from "./limits.ts";
import type { Pointer } from "./lua-abi.ts";

export class MemoryAccount {
  #used = 0;
  #limit = GUEST_MEMORY_BYTES;
  #sinceLook = 0;
  #longestSeen = 0;
  readonly #longStrings = new Map<Pointer, number>();

  get used(): number {
    return this.#used;
  }

  /** The host's own work may go a little over the guest's limit. */
  allowHeadroom(allowed: boolean): void {
    this.#limit = GUEST_MEMORY_BYTES + (allowed ? HOST_HEADROOM_BYTES : 0);
  }

  allows(growth: number): boolean {
    return growth <= 0 || this.#used + growth <= this.#limit;
  }

  /** A block now has this size. Returns whether the guest should be looked at soon. */
  grown(block: Pointer, growth: number, size: number, isString: boolean): boolean {
    this.#used += growth;
    this.#sinceLook += size;
    if (isString && size > LONG_STRING_BYTES) {
      this.#longStrings.set(block, size);
      if (size > this.#longestSeen) {
        this.#longestSeen = size;
        return true;
      }
    }
    return this.#sinceLook > ALLOCATION_BYTES_PER_LOOK;
  }

  freed(block: Pointer, size: number): void {
    this.#used -= size;
    if (this.#longStrings.size > 0) this.#longStrings.delete(block);
  }

  /** The guest was looked at. Returns after how many instructions to look again. */
  look(): number {
    this.#sinceLook = 0;
    let longest = 0;
    for (const size of this.#longStrings.values()) longest = Math.max(longest, size);
    this.#longestSeen = longest;
    if (longest <= LONG_STRING_BYTES) return HOOK_INTERVAL;
    return Math.max(1, Math.floor((HOOK_INTERVAL * LONG_STRING_BYTES) / longest));
  }
}
