/**
 * The built-in cell model and policies pass the contracts of extensions.
 */
import { WEISSE } from "@bioxen/cell-models";
import { BIN_PACK, SPREAD } from "@bioxen/placement";
import { cellModelContract, placementPolicyContract } from "../src/extensions.ts";

placementPolicyContract(BIN_PACK);
placementPolicyContract(SPREAD);
cellModelContract(WEISSE, ["syn3a", "minimal_cell"]);
