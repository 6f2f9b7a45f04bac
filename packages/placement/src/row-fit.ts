/**
 * The view of a policy on one row of the index of rooms. One object serves all rows, so that a score allocates nothing.
 */
import type { Fit } from "./policy.ts";
import type { ChassisRoom, WaitingVm } from "./snapshot.ts";

/** A VM and one chassis of the index, in the form that a policy reads. */
export class RowFit implements Fit {
  readonly resources: readonly string[];
  readonly #free: Float64Array;
  readonly #offered: Float64Array;
  row = 0;
  amounts: Float64Array = new Float64Array(0);
  vm = {} as WaitingVm;
  chassis = {} as ChassisRoom;

  constructor(resources: readonly string[], free: Float64Array, offered: Float64Array) {
    this.resources = resources;
    this.#free = free;
    this.#offered = offered;
  }

  asked(resource: number): number {
    return this.amounts[resource] as number;
  }

  free(resource: number): number {
    return this.#free[this.row + resource] as number;
  }

  offered(resource: number): number {
    return this.#offered[this.row + resource] as number;
  }
}
