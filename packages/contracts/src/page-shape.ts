/**
 * The lists of a paged result, and how a caller joins the pages of a listing. See pages.ts for the side of the service.
 *
 * This module builds no schema, so that a caller loads no schema library.
 */

export interface PageRequest {
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

/**
 * The lists of a paged result, by field. `"items"`: an array whose items are never split. `"items-by-name"`: an object
 * of such arrays. An `EachShape`: an array of objects that have lists of their own; the field `key` identifies each
 * object. A `PageShape`: an inner object with lists; the object may be null.
 */
export type PageShape = { readonly [field: string]: "items" | "items-by-name" | EachShape | PageShape };
interface EachShape {
  readonly key: string;
  readonly each: PageShape;
}

export function isEach(shape: PageShape[string]): shape is EachShape {
  return typeof shape === "object" && typeof shape["key"] === "string";
}

type Json = Record<string, unknown>;

/** Returns one page with the content of two successive pages of a listing: `page`, then `next`. */
export function merged(page: Readonly<Json>, next: Readonly<Json>, shape: PageShape): Json {
  const out: Json = { ...page, ...next };
  for (const [field, inner] of Object.entries(shape)) {
    const [a, b] = [page[field], next[field]];
    if (a === undefined || a === null || b === undefined || b === null) continue;
    if (inner === "items") out[field] = [...(a as unknown[]), ...(b as unknown[])];
    else if (inner === "items-by-name") out[field] = mergedByName(a, b);
    else if (isEach(inner)) out[field] = mergedEach(a as Json[], b as Json[], inner);
    else out[field] = merged(a as Json, b as Json, inner);
  }
  return out;
}

function mergedByName(a: unknown, b: unknown): Record<string, unknown[]> {
  const out = { ...(a as Record<string, unknown[]>) };
  for (const [name, items] of Object.entries(b as Record<string, unknown[]>)) {
    out[name] = Object.hasOwn(out, name) ? [...(out[name] ?? []), ...items] : items;
  }
  return out;
}

function mergedEach(a: readonly Json[], b: readonly Json[], { key, each }: EachShape): Json[] {
  const [last, first] = [a.at(-1), b[0]];
  if (last === undefined || first === undefined || last[key] !== first[key]) return [...a, ...b];
  return [...a.slice(0, -1), merged(last, first, each), ...b.slice(1)];
}
