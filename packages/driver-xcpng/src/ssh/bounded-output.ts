/**
 * Output of a program up to a bound. What is over it is not even decoded, so that a flood costs what it is allowed.
 */
import { MAX_OUTPUT_BYTES } from "./limits.ts";

export const CUT_OFF = "… (cut off)";

export class BoundedOutput {
  readonly #decoder = new TextDecoder();
  readonly #pieces: string[] = [];
  #bytesLeft = MAX_OUTPUT_BYTES;
  #isCut = false;

  readonly add = (data: Uint8Array): void => {
    if (this.#isCut) return;
    this.#isCut = data.length > this.#bytesLeft;
    const kept = data.subarray(0, this.#bytesLeft);
    this.#bytesLeft -= kept.length;
    // A character that is cut in two is left out with what follows it.
    this.#pieces.push(this.#decoder.decode(kept, { stream: true }));
  };

  text(): string {
    return this.#pieces.join("") + (this.#isCut ? CUT_OFF : this.#decoder.decode());
  }
}
