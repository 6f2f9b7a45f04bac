/**
 * The view that the address names. The address is a fragment, such as `#/vms/c1?tab=history`, so that the console is
 * a few static files at any path. Links, the back button and deep links work as on any page.
 */
import { signal } from "@preact/signals";

export interface Route {
  /** The parts of the path, decoded: `["vms", "c1"]`; empty for the overview. */
  readonly path: readonly string[];
  readonly fields: Readonly<Record<string, string>>;
}

export function routeOf(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#?\/?/, "").split("?", 2);
  return {
    path: path.split("/").filter(Boolean).map(decoded),
    fields: Object.fromEntries(new URLSearchParams(search)),
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Returns the address of a view; fields without a value are left out. */
export function to(
  path: readonly string[],
  fields: Readonly<Record<string, string | undefined>> = {},
): string {
  const named = Object.entries(fields).filter((entry): entry is [string, string] => (entry[1] ?? "") !== "");
  const search = named.length === 0 ? "" : `?${new URLSearchParams(named)}`;
  return `#/${path.map(encodeURIComponent).join("/")}${search}`;
}

/** Begin of an address that logs in; it names no view. */
export const LOGIN = "#code=";

export const route = signal<Route>(routeOf(location.hash.startsWith(LOGIN) ? "" : location.hash));
window.addEventListener("hashchange", () => {
  // The address with a code was opened in this window: the page logs in when it loads.
  if (location.hash.startsWith(LOGIN)) return location.reload();
  route.value = routeOf(location.hash);
});

export function go(address: string): void {
  location.hash = address;
}

/** Changes fields of the present address without a new entry in the history: for filters as they are typed. */
export function setFields(changes: Readonly<Record<string, string | undefined>>): void {
  const { path, fields } = route.value;
  const address = to(path, { ...fields, ...changes });
  history.replaceState(null, "", address);
  route.value = routeOf(address);
}
