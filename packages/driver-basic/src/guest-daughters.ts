/**
 * The second daughters of a cell that is one of two after each division (`config.lineage: "both"`), until they are taken.
 *
 * A cell that goes back in time, because its Lua state was lost, divides again: a daughter that was taken before does not
 * appear a second time.
 */
import type { HostedCell, ModelSnapshot } from "@bioxen/cell-models";
import type { GuestSpec } from "@bioxen/vm-driver";

interface WaitingDaughter {
  readonly division: number;
  readonly cell: ModelSnapshot;
}

export class GuestDaughters {
  readonly #waiting: WaitingDaughter[] = [];
  #isAnnounced = false;

  /** Keeps the second daughters of this cell if the config of its guest says so. */
  follow(cell: HostedCell, { config }: GuestSpec): void {
    if (config["lineage"] !== "both") return;
    cell.onSecondDaughter = (daughter, division) => this.#waiting.push({ division, cell: daughter });
  }

  /** The oldest daughter that was not taken yet. */
  get next(): WaitingDaughter | undefined {
    return this.#waiting[0];
  }

  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Returns true once after daughters have appeared. */
  takeNews(): boolean {
    const isNew = this.isWaiting && !this.#isAnnounced;
    this.#isAnnounced = this.isWaiting;
    return isNew;
  }

  /** Forgets the daughters up to this division. */
  taken(division: number): void {
    while (this.#waiting[0] !== undefined && this.#waiting[0].division <= division) this.#waiting.shift();
    this.#isAnnounced = false;
  }
}
