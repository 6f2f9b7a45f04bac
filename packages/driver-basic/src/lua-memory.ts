/**
 * Counts the Lua heap of one guest, enforces its limit, and requests an early clock check when the heap grows fast.
 *
 * Lua requests every block of memory through one function. If a request is refused, Lua collects its garbage and
 * requests again; if that fails too, it raises "not enough memory". The account also tracks long strings in use,
 * because they make single instructions slow. It counts the requested bytes, without the few bytes per block that the
 * allocator adds.
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

  /**
   * Sets whether the heap may exceed the guest's limit by {@link HOST_HEADROOM_BYTES}, which is meant for driver code.
   */
  allowHeadroom(allowed: boolean): void {
    this.#limit = GUEST_MEMORY_BYTES + (allowed ? HOST_HEADROOM_BYTES : 0);
  }

  allows(growth: number): boolean {
    return growth <= 0 || this.#used + growth <= this.#limit;
  }

  /** Records that a block was allocated or resized. Returns true if the clock should be checked soon. */
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

  /**
   * Called at each clock check: restarts the count of bytes allocated since the last check. Returns the number of Lua
   * instructions until the next check.
   */
  look(): number {
    this.#sinceLook = 0;
    let longest = 0;
    for (const size of this.#longStrings.values()) longest = Math.max(longest, size);
    this.#longestSeen = longest;
    if (longest <= LONG_STRING_BYTES) return HOOK_INTERVAL;
    return Math.max(1, Math.floor((HOOK_INTERVAL * LONG_STRING_BYTES) / longest));
  }
}
