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
  BUILT_IN_MODELS,
  cellProblems,
  checkedBy,
  createRequest,
  type KnownModels,
  modelRefusal,
  otherModelOf,
  type ParsedRequestOf,
  type Problem,
  partsOfCells,
  problemsOf,
  recordedSchedule,
  requestParts,
  resourceProblems,
  scheduleProblems,
  timeScaleProblems,
  untilProblems,
  type VmTypes,
  withCell,
  withDemand,
} from "@bioxen/contracts";
import { type Amounts, ID_PATTERN } from "@bioxen/kernel";
import { type FileProblem, parseFile } from "../yaml-file.ts";
import {
  FLEET_LABEL,
  type FleetFile,
  type FleetState,
  fleetFile,
  MAX_FLEET_VMS,
  PROGRAM_LABEL,
} from "./fleet-schema.ts";

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
  /** The types of the VM, with the full demand of its model. */
  readonly types: VmTypes;
}

export interface Fleet {
  readonly name: string;
  readonly vms: readonly WantedVm[];
}

export type ParsedFleet =
  | { readonly ok: true; readonly fleet: Fleet }
  | { readonly ok: false; readonly problems: readonly FileProblem[] };

type FileVm = FleetFile["vms"][number];

/**
 * Parses and checks a fleet file. `directory` is the base of relative `programFile` paths. `announced` returns the models
 * that agents announce; it is called if the file names another model than the built-in one.
 */
export async function parseFleet(
  text: string,
  directory: string,
  announced: () => Promise<KnownModels> = async () => BUILT_IN_MODELS,
): Promise<ParsedFleet> {
  const read = parseFile(text, "fleets");
  if (!read.ok) return read;
  const parsed = checkedBy(fleetFile, read.content);
  if (!parsed.success) return { ok: false, problems: problemsOf(parsed.error, fleetFile).map(read.located) };
  const models = namesOtherModel(parsed.data) ? await announced() : BUILT_IN_MODELS;
  const { vms, problems } = await expand(parsed.data, directory, models);
  if (problems.length > 0) return { ok: false, problems: problems.map(read.located) };
  return { ok: true, fleet: { name: parsed.data.fleet, vms } };
}

function namesOtherModel({ defaults = {}, vms }: FleetFile): boolean {
  return [defaults, ...vms].some((fields: Readonly<Record<string, unknown>>) => {
    const { config } = fields;
    return typeof config === "object" && config !== null && otherModelOf({ ...config }) !== undefined;
  });
}

async function expand(file: FleetFile, directory: string, models: KnownModels) {
  const vms: WantedVm[] = [];
  const problems: Problem[] = [];
  const seen = new Map<string, string>();
  for (const [index, own] of file.vms.entries()) {
    const path = `vms.${index}`;
    const entry = await requestOf(file, own, path, directory, models);
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
  models: KnownModels,
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
  const { resources, vmType, config } = parsed.data;
  const unknown = vmType === "basic" ? modelRefusal(config, models) : undefined;
  if (unknown !== undefined) {
    return { problems: [{ path: `${path}.config.model`, message: unknown.rejection.message }] };
  }
  const types = withDemand(parsed.data, models);
  const parts = requestParts(types, resources);
  const { request } = recordedSchedule(types, parts.request, parsed.data.schedule);
  const others = [
    ...cellProblems(parsed.data, models),
    ...scheduleProblems({ ...parsed.data, ...types }),
    ...timeScaleProblems(parsed.data),
    ...untilProblems(parsed.data),
    ...partsOfCells(parsed.data),
  ];
  const problems = [
    ...resourceProblems(types, resources, `${path}.resources`),
    ...others.map((one) => ({
      ...one,
      path: `${path}.${one.path}`,
    })),
  ];
  if (problems.length > 0) return { problems };
  return { state, create: parsed.data, request: withCell(request, parts.cell), types };
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
