/**
 * The built-in model and policies keep the contracts that those of others are held to.
 */
import { WEISSE } from "@bioxen/cell-models";
import { BIN_PACK, SPREAD } from "@bioxen/placement";
import { cellModelContract, placementPolicyContract } from "../src/extensions.ts";

placementPolicyContract(BIN_PACK);
placementPolicyContract(SPREAD);
cellModelContract(WEISSE, ["syn3a", "minimal_cell"]);
