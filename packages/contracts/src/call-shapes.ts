/**
 * The shape of every endpoint's calls, for callers. The file is generated from the catalogue by `pnpm run docs`, so that
 * a caller need not build the schemas of all endpoints.
 */
import type { CallShape } from "./call-shape.ts";
import shapes from "./call-shapes.json" with { type: "json" };
import type { EndpointName } from "./endpoints/catalogue.ts";

export const CALL_SHAPES = shapes as Readonly<Record<EndpointName, CallShape>>;
