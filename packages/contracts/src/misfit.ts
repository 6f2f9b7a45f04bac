import type { PlacementRefusal } from "./events/vm.ts";

/** The reason why a chassis cannot take a VM, still without the id of that chassis. */
export type Misfit = Omit<PlacementRefusal, "chassisId">;
