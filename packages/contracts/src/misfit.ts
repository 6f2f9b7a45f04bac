import type { PlacementRefusal } from "./events/vm.ts";

/** The reason why a chassis cannot take a VM, without the id of the chassis. */
export type Misfit = Omit<PlacementRefusal, "chassisId">;
