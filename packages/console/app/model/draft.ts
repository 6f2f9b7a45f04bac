/**
 * A VM as it is being described: the request, and the command line that asks for the same.
 */
import type { CreateRequest } from "./types.ts";

export interface Draft {
  readonly vmId: string;
  readonly biologicalType: "syn3a" | "minimal_cell" | "ecoli";
  /** Shares of the full demand by resource, percent; absent: all of it. */
  readonly shares: Readonly<Record<string, number>>;
  readonly priority: number;
  /** `name=value`, or empty. */
  readonly label: string;
  readonly seed: string;
  readonly record: string;
  readonly nutrient: string;
  readonly program: string;
  readonly chassisId: string;
  readonly isStarted: boolean;
}

/** Resources of which a cell can have a share; its genome is no choice. */
export const SHARED = ["ribosomes", "atpPerSecond", "rnaPolymerases"] as const;
const OPTIONS: Readonly<Record<string, string>> = {
  ribosomes: "ribosomes",
  atpPerSecond: "atp",
  rnaPolymerases: "rnap",
};

function reduced({ shares }: Draft): [string, string][] {
  return SHARED.flatMap((name): [string, string][] => {
    const share = shares[name] ?? 100;
    return share === 100 ? [] : [[name, `${share}%`]];
  });
}

/** The number that a text is; the text itself where it is none, so that the service names the problem. */
function numberOf(text: string): number {
  return (text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text)) as number;
}

export function requestOf(draft: Draft): CreateRequest {
  const { vmId, biologicalType, priority, label, seed, record, nutrient, program, chassisId } = draft;
  const resources = Object.fromEntries(reduced(draft));
  const [name = "", ...value] = label.split("=");
  return {
    ...(vmId === "" ? {} : { vmId }),
    biologicalType,
    ...(Object.keys(resources).length === 0 ? {} : { resources }),
    ...(priority === 1 ? {} : { priority }),
    ...(seed === "" ? {} : { seed: numberOf(seed) }),
    ...(label === "" ? {} : { labels: { [name]: value.join("=") } }),
    ...(record === "" ? {} : { record: { everyMinutes: numberOf(record) } }),
    ...(nutrient === "" ? {} : { environment: { nutrientQuality: numberOf(nutrient) } }),
    ...(program === "" ? {} : { program }),
    ...(chassisId === "" ? {} : { placement: { chassisId } }),
  };
}

/** What the plan takes: an id that is still being typed is left out, because it changes no placement. */
export function planOf(draft: Draft): CreateRequest {
  const isId = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(draft.vmId);
  return requestOf(isId ? draft : { ...draft, vmId: "" });
}

/** A word of a shell: quoted where a shell would read more than the text. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

export function commandLineOf(draft: Draft): string {
  const { vmId, biologicalType, priority, label, seed, record, nutrient, program, chassisId, isStarted } =
    draft;
  const options: [string, string][] = [
    ["type", biologicalType],
    ...reduced(draft).map(([name, share]): [string, string] => [OPTIONS[name] ?? name, share]),
    ...(priority === 1 ? [] : ([["priority", String(priority)]] as [string, string][])),
    ...(
      [
        ["seed", seed],
        ["label", label],
        ["record-every", record],
        ["nutrient", nutrient],
        ["chassis", chassisId],
      ] as [string, string][]
    ).filter(([, value]) => value !== ""),
  ];
  const words = options.map(([name, value]) => `--${name} ${shellWord(value)}`);
  const source = program === "" ? [] : ["--program -"];
  const line = [
    `bioxen vm create ${shellWord(vmId || "ID")}`,
    ...words,
    ...source,
    ...(isStarted ? ["--start"] : []),
  ].join(" \\\n  ");
  return program === "" ? line : `${line} <<'LUA'\n${program}\nLUA`;
}

/** The request for a program; `origin` is the address of the gateway. */
export function httpRequestOf(draft: Draft, origin: string): string {
  const body = JSON.stringify(requestOf(draft), undefined, 2);
  return `curl -X POST ${origin}/api/v1/vm/create \\\n  -H 'authorization: Bearer TOKEN' \\\n  -H 'content-type: application/json' \\\n  -d ${shellWord(body)}`;
}
