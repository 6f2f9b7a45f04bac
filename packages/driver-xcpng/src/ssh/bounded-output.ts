/**
 * Collects a program's output up to a limit. Bytes beyond the limit are dropped before decoding, so that a flood of
 * output costs neither memory nor time.
 */
import { MAX_OUTPUT_BYTES } from "./limits.ts";

/** Appended to output that exceeds the limit. */
export const CUT_OFF = "… (cut off)";

export class BoundedOutput {
  readonly #decoder = new TextDecoder();
  readonly #pieces: string[] = [];
  #bytesLeft: number;
  #isCut = false;

  constructor(maxBytes = MAX_OUTPUT_BYTES) {
    this.#bytesLeft = maxBytes;
  }

  readonly add = (data: Uint8Array): void => {
    if (this.#isCut) return;
    this.#isCut = data.length > this.#bytesLeft;
    const kept = data.subarray(0, this.#bytesLeft);
    this.#bytesLeft -= kept.length;
    // In stream mode the decoder holds back an incomplete character, so that no half character appears at the cut.
    this.#pieces.push(this.#decoder.decode(kept, { stream: true }));
  };

  text(): string {
    return this.#pieces.join("") + (this.#isCut ? CUT_OFF : this.#decoder.decode());
  }
}
