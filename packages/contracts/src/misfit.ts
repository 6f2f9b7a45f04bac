import type { PlacementRefusal } from "./events/vm.ts";

/** Why a chassis cannot take a VM, before the refusal names the chassis. */
export type Misfit = Omit<PlacementRefusal, "chassisId">;
