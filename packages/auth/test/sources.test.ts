/**
 * The tables of the catalogue, compared with the sources of the services: a service names the endpoint of another one
 * only to call it, and a kind of aggregate only where it appends its events.
 */
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  AGGREGATE_KINDS,
  type AggregateKind,
  accessOf,
  ENDPOINT_CALLERS,
  ENDPOINTS,
  type EndpointName,
  SERVICE_NAMES,
  type ServiceName,
  serviceAccess,
} from "@bioxen/contracts";
import { describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

function sourcesOf(service: ServiceName): string {
  return globSync(`services/${service}/src/**/*.ts`, { cwd: ROOT })
    .filter((path) => !path.endsWith(".test.ts") && !path.endsWith("testing.ts"))
    .map((path) => readFileSync(`${ROOT}/${path}`, "utf8"))
    .join("\n");
}

function firstGroups(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map((match) => match[1] ?? ""))].sort();
}

describe.each(SERVICE_NAMES)("the sources of %s", (service) => {
  const text = sourcesOf(service);

  it("call the endpoints that the table names, and no others", () => {
    const named = firstGroups(text, /\bENDPOINTS\.(\w+)/g) as EndpointName[];
    const called = named.filter((name) => ENDPOINTS[name].owner !== service);
    const inTable = (Object.keys(ENDPOINT_CALLERS) as EndpointName[]).filter((name) =>
      ENDPOINT_CALLERS[name]?.includes(service),
    );
    expect(called).toEqual(inTable.sort());
  });

  it("call the endpoints of agents that the table names, and no others", () => {
    const named = firstGroups(text, /\b(agent(?:Exec|Checkpoint|Hold|Orphans))\(/g);
    const subjects = named.map((name) => `bioxen.agent.*.${name.slice("agent".length).toLowerCase()}`);
    const { calls, serves } = serviceAccess(service);
    const ofAgents = [...calls, ...serves].filter((subject) => subject.startsWith("bioxen.agent."));
    expect(subjects).toEqual(ofAgents.sort());
  });

  it("append events of the kinds that the table names, and no others", () => {
    const aggregates = firstGroups(text, /new Aggregates(?:<\w+>)?\(\{\s*kind: "(\w+)"/g) as AggregateKind[];
    expect(aggregates).toEqual([...serviceAccess(service).appends].sort());
  });
});

it("every kind of aggregate has one writer, and every internal endpoint a caller", () => {
  const written = SERVICE_NAMES.flatMap((service) => serviceAccess(service).appends);
  expect([...written].sort()).toEqual([...AGGREGATE_KINDS].sort());
  const internal = (Object.keys(ENDPOINTS) as EndpointName[]).filter((name) => ENDPOINTS[name].internal);
  expect(internal.filter((name) => (ENDPOINT_CALLERS[name] ?? []).length === 0)).toEqual([]);
});

it("agents may call what the table of roles says, and services call nothing that it refuses", () => {
  const byRole = Object.values(ENDPOINTS).filter((endpoint) => accessOf("agent", endpoint) !== "none");
  expect(serviceAccess("chassis-agent").calls.toSorted()).toEqual(
    byRole.map(({ subject }) => subject).toSorted(),
  );
});
