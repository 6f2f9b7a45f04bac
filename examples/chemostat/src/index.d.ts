import type { CellModel } from "@bioxen/cell-models";

export declare const cellModel: CellModel;
