/**
 * Parses the text of a fleet file into the desired VMs, or into a list of all problems with their line numbers.
 *
 * The format is YAML 1.2, which includes JSON. All checks that need no service run here, before the first command is
 * sent.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import {
  checkedBy,
  createRequest,
  type ParsedRequestOf,
  type Problem,
  problemsOf,
  requestParts,
  resourceProblems,
  withCell,
} from "@bioxen/contracts";
import { type Amounts, ID_PATTERN } from "@bioxen/kernel";
import { type Document, isNode, LineCounter, parseDocument } from "yaml";
import {
  FLEET_LABEL,
  type FleetFile,
  type FleetState,
  fleetFile,
  MAX_FLEET_VMS,
  PROGRAM_LABEL,
} from "./fleet-schema.ts";

/** Maximum size of a fleet file, characters: about 800 for each of {@link MAX_FLEET_VMS} VMs. */
const MAX_FILE_CHARACTERS = 8_388_608;
/**
 * Number of hexadecimal characters of a program digest that a label holds: 64 bits, so an accidental collision is
 * negligible.
 */
const DIGEST_CHARACTERS = 16;

/** Desired state of one VM. */
export interface WantedVm {
  readonly vmId: string;
  readonly state: FleetState;
  readonly create: ParsedRequestOf<"vmCreate"> & { readonly vmId: string };
  /** Requested resources as amounts: shares such as "50%" are resolved against full demand. */
  readonly request: Amounts;
}

export interface Fleet {
  readonly name: string;
  readonly vms: readonly WantedVm[];
}

export interface FleetProblem extends Problem {
  /** Line in the file, from 1; null when the problem has no position. */
  readonly line: number | null;
}

export type ParsedFleet =
  | { readonly ok: true; readonly fleet: Fleet }
  | { readonly ok: false; readonly problems: readonly FleetProblem[] };

type FileVm = FleetFile["vms"][number];

/** Parses and checks a fleet file. `directory` is the base of relative `programFile` paths. */
export async function parseFleet(text: string, directory: string): Promise<ParsedFleet> {
  if (text.length > MAX_FILE_CHARACTERS) {
    return failed([{ path: "", message: tooLong(text.length), line: null }]);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  if (document.errors.length > 0) {
    return failed(
      document.errors.map((error) => ({
        path: "",
        message: (error.message.split("\n")[0] ?? "").replace(/ at line \d+, column \d+:?$/, ""),
        line: error.linePos?.[0].line ?? null,
      })),
    );
  }
  const located = (problem: Problem) => ({ ...problem, line: lineOf(document, lines, problem.path) });
  const parsed = checkedBy(fleetFile, contentOf(document));
  if (!parsed.success) return failed(problemsOf(parsed.error, fleetFile).map(located));
  const { vms, problems } = await expand(parsed.data, directory);
  if (problems.length > 0) return failed(problems.map(located));
  return { ok: true, fleet: { name: parsed.data.fleet, vms } };
}

function tooLong(length: number): string {
  return `has ${length} characters, the limit is ${MAX_FILE_CHARACTERS}: split it into several fleets`;
}

function failed(problems: readonly FleetProblem[]): ParsedFleet {
  return { ok: false, problems };
}

/**
 * Returns the content of the document as plain values; undefined when the document exceeds the alias limit of the
 * `yaml` library. The limit is needed because a few lines of nested aliases can expand to gigabytes.
 */
function contentOf(document: Document): unknown {
  try {
    return document.toJS() as unknown;
  } catch {
    return undefined;
  }
}

/**
 * Returns the line of the node at `path`, or of the nearest existing ancestor when that node is absent. Returns null
 * when the file has neither the node nor an ancestor.
 */
function lineOf(document: Document, lines: LineCounter, path: string): number | null {
  const parts = path.split(".").map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  for (let length = parts.length; length > 0; length -= 1) {
    const node = document.getIn(parts.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return null;
}

async function expand(file: FleetFile, directory: string) {
  const vms: WantedVm[] = [];
  const problems: Problem[] = [];
  const seen = new Map<string, string>();
  for (const [index, own] of file.vms.entries()) {
    const path = `vms.${index}`;
    const entry = await requestOf(file, own, path, directory);
    if ("problems" in entry) {
      problems.push(...entry.problems);
      continue;
    }
    for (const vmId of idsOf(own)) {
      const earlier = seen.get(vmId);
      if (earlier !== undefined) {
        problems.push({
          path: `${path}.vmId`,
          message: `${vmId} is already declared at ${earlier}: choose another id`,
        });
      } else if (!ID_PATTERN.test(vmId)) {
        problems.push({
          path: `${path}.vmId`,
          message: `${vmId} is longer than the 63 characters of an id: shorten it`,
        });
      }
      seen.set(vmId, path);
      vms.push({ ...entry, vmId, create: { ...entry.create, vmId } });
    }
  }
  if (vms.length > MAX_FLEET_VMS) {
    problems.push({ path: "vms", message: `has ${vms.length} VMs, the limit is ${MAX_FLEET_VMS}: split it` });
  }
  return { vms, problems };
}

function idsOf({ vmId, count }: FileVm): string[] {
  if (count === undefined) return [vmId];
  return Array.from({ length: count }, (_, i) => `${vmId}-${i + 1}`);
}

/**
 * The fields that all VMs of one entry share: all fields but the id. An entry with `count` has several VMs, whose ids
 * are numbered from 1.
 */
type EntryRequest = Omit<WantedVm, "vmId" | "create"> & { readonly create: ParsedRequestOf<"vmCreate"> };

async function requestOf(
  file: FleetFile,
  own: FileVm,
  path: string,
  directory: string,
): Promise<EntryRequest | { readonly problems: readonly Problem[] }> {
  const merged: FileVm = { ...file.defaults, ...own, labels: { ...file.defaults?.labels, ...own.labels } };
  const { vmId: _vmId, count: _count, state = "running", programFile, labels, ...rest } = merged;
  const fields: Readonly<Record<string, unknown>> = rest;
  const program = await programOf(fields["program"], programFile, directory);
  if (typeof program === "object") return { problems: [{ path: `${path}.programFile`, ...program }] };
  const parsed = checkedBy(createRequest, {
    ...fields,
    ...(program === undefined ? {} : { program }),
    labels: {
      ...labels,
      [FLEET_LABEL]: file.fleet,
      ...(program === undefined ? {} : { [PROGRAM_LABEL]: digestOf(program) }),
    },
  });
  if (!parsed.success) {
    return {
      problems: problemsOf(parsed.error, createRequest).map((one) => ({
        ...one,
        path: `${path}.${one.path}`,
      })),
    };
  }
  const { resources } = parsed.data;
  const parts = requestParts(parsed.data, resources);
  const problems = resourceProblems(parsed.data, resources, `${path}.resources`);
  if (problems.length > 0) return { problems };
  return { state, create: parsed.data, request: withCell(parts.request, parts.cell) };
}

async function programOf(
  program: unknown,
  file: string | undefined,
  directory: string,
): Promise<string | undefined | { readonly message: string }> {
  if (file === undefined) return program as string | undefined;
  if (program !== undefined) return { message: "excludes `program`: set only one of the two" };
  return readFile(resolve(directory, file), "utf8").catch((thrown: NodeJS.ErrnoException) => ({
    message: `cannot be read: ${thrown.code ?? thrown.message}`,
  }));
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, DIGEST_CHARACTERS);
}
