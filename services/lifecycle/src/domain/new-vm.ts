/**
 * The data of a new VM from the request of a create or a fork: amounts instead of shares, and defaults filled in. A
 * request with problems is rejected with all of them.
 */
import {
  BUILT_IN_MODELS,
  type CheckpointRecord,
  cellFieldsOf,
  cellProblems,
  foreignResources,
  fullDemandOfTypes,
  isBeyondUntil,
  type KnownModels,
  modelRefusal,
  type ParsedRequestOf,
  type Problem,
  partsOfCells,
  RATE_RESOURCES,
  type Recorded,
  type RequestedAmount,
  recordedSchedule,
  requestedAmounts,
  requestParts,
  resourceProblems,
  scheduleProblems,
  timeScaleProblems,
  type Until,
  untilProblems,
  type Vm,
  type VmEvent,
  type VmType,
  withDemand,
} from "@bioxen/contracts";
import { type Amounts, amountOf, closestWord } from "@bioxen/kernel";
import { badRequest, unsupported } from "./requested-resources.ts";
import type { VmRejection } from "./vm-decision.ts";

/** The data of the event `created`, without the incarnation, which depends on earlier VMs with the same id. */
export type NewVm = Omit<Extract<VmEvent, { readonly type: "bioxen.vm.created.v1" }>["data"], "incarnation">;

type CreateRequest = ParsedRequestOf<"vmCreate">;

/**
 * Returns the VM that the request describes, or BAD_REQUEST with every problem; UNSUPPORTED for a request that is right
 * but for what a VM of its type cannot have; MODEL_NOT_FOUND for a model that is none of `models`. A request without a
 * seed gets `defaultSeed`.
 */
export function newVmOf(
  request: CreateRequest,
  defaultSeed: number,
  models: KnownModels = BUILT_IN_MODELS,
): { readonly vm: NewVm } | VmRejection {
  const { biologicalType, vmType } = request;
  const unknown = vmType === "basic" ? modelRefusal(request.config, models) : undefined;
  if (unknown !== undefined) return unknown;
  const types = withDemand(request, models);
  const full = fullDemandOfTypes(types);
  const { request: initial, cell } = requestParts(types, request.resources);
  const { schedule, request: amounts } = recordedSchedule(types, initial, request.schedule);
  const guarantee = request.guarantee && requestedAmounts(request.guarantee, full, amounts);
  const burst = request.burst && burstAmounts(request.burst, full);
  const isCell = vmType === "basic";
  const problems = [
    ...resourceProblems(types, request.resources),
    ...foreignResources("burst", request.burst ?? {}, types),
    ...(burst === undefined ? [] : burstProblems(vmType, amounts, burst)),
    ...foreignResources("guarantee", request.guarantee ?? {}, types),
    ...(guarantee === undefined ? [] : guaranteeProblems(vmType, amounts, guarantee)),
    ...cellProblems(request, models),
    ...scheduleProblems({ ...request, ...types }),
    ...(isCell ? timeScaleProblems(request) : []),
    ...recordProblems(request, models),
  ];
  const missing = [
    ...partsOfCells(request),
    ...(isCell ? [] : timeScaleProblems(request)),
    ...untilProblems(request),
  ];
  if (problems.length > 0) return badRequest([...problems, ...missing]);
  if (missing.length > 0) return unsupported(missing);
  const vm: NewVm = {
    biologicalType,
    vmType,
    request: amounts,
    ...(cell === undefined ? {} : { cell }),
    ...(guarantee === undefined ? {} : { guarantee }),
    ...(burst === undefined ? {} : { burst }),
    priority: request.priority,
    seed: request.seed ?? defaultSeed,
    program: request.program ?? null,
    environment: asRecorded(request.environment),
    placement: asRecorded(request.placement),
    restartPolicy: request.restartPolicy,
    labels: request.labels,
    config: request.config,
    parent: null,
    ...(schedule === undefined ? {} : { schedule }),
    ...(request.timeScale === undefined ? {} : { timeScale: request.timeScale }),
    ...ofUntil(request.until),
    ...(request.record === undefined ? {} : { record: asStored(request.record) }),
  };
  return { vm };
}

/** Returns the data of a fork of `parent`: the same settings, with its own seed and first checkpoint. */
export function forkOf(
  parentId: string,
  parent: Vm,
  { seed, checkpoint }: { readonly seed: number; readonly checkpoint: CheckpointRecord },
): NewVm {
  return {
    biologicalType: parent.biologicalType,
    vmType: parent.vmType,
    request: parent.request,
    ...(parent.cell === undefined ? {} : { cell: parent.cell }),
    ...(parent.guarantee === null ? {} : { guarantee: parent.guarantee }),
    priority: parent.priority,
    seed,
    program: parent.program,
    environment: { ...parent.environment },
    placement: asRecorded(parent.placement),
    restartPolicy: parent.restartPolicy,
    labels: { ...parent.labels },
    config: asRecorded(parent.config),
    parent: parentId,
    ...(parent.schedule === undefined ? {} : { schedule: [...parent.schedule] }),
    ...(parent.timeScale === undefined ? {} : { timeScale: parent.timeScale }),
    ...(isBeyondUntil(parent, checkpoint.simMinutes) ? {} : ofUntil(parent.until)),
    checkpoint,
    ...(parent.record === undefined ? {} : { record: parent.record }),
  };
}

/** Returns the field `until` of a VM that has a last minute. */
function ofUntil(until: Until | undefined): Pick<NewVm, "until"> {
  return until === undefined ? {} : { until };
}

/** Returns the burst ceilings as amounts. A VM cannot borrow a resource that `requested` does not name. */
export function burstAmounts(
  requested: Readonly<Record<string, RequestedAmount | undefined>>,
  full: Amounts,
): Amounts {
  const named = Object.fromEntries(Object.keys(requested).map((name) => [name, 0]));
  return requestedAmounts(requested, full, named);
}

/**
 * Returns the problems of a burst: only the rate resources of a cell can be borrowed, and the ceiling must be at least
 * the request.
 */
export function burstProblems(vmType: VmType, request: Amounts, burst: Amounts): Problem[] {
  if (vmType !== "basic") {
    return [{ path: "burst", message: `is for cells only: a VM of type ${vmType} cannot borrow` }];
  }
  const problems: Problem[] = [];
  for (const [name, ceiling] of Object.entries(burst)) {
    const path = `burst.${name}`;
    if (!RATE_RESOURCES.some((rate) => rate === name)) {
      problems.push({ path, message: `cannot be lent; only ${RATE_RESOURCES.join(", ")} can` });
    } else if (ceiling < amountOf(request, name)) {
      problems.push({ path, message: `is ${ceiling}, below the request of ${amountOf(request, name)}` });
    }
  }
  return problems;
}

/**
 * Returns the problems of a guarantee. Only a cell can have a guarantee. Each amount must be at most the requested
 * amount; for genome space it must equal the requested amount.
 */
export function guaranteeProblems(vmType: VmType, request: Amounts, guarantee: Amounts): Problem[] {
  if (vmType !== "basic") {
    const message = `is for cells only: preemption never shrinks a VM of type ${vmType}`;
    return [{ path: "guarantee", message }];
  }
  const problems: Problem[] = [];
  for (const [name, least] of Object.entries(guarantee)) {
    const requested = amountOf(request, name);
    const path = `guarantee.${name}`;
    if (least > requested) problems.push({ path, message: `is ${least}, above the request of ${requested}` });
    if (name === "dnaKilobases" && least < requested) {
      problems.push({ path, message: `must equal the request of ${requested}: a genome does not shrink` });
    }
  }
  return problems;
}

/** Returns the problems of the time course of a cell: each field must be one of a cell. */
function recordProblems({ vmType, record, config }: CreateRequest, models: KnownModels): Problem[] {
  if (record === undefined || vmType !== "basic") return [];
  const names = (cellFieldsOf(config, models) ?? []).map(({ name }) => name);
  return (record.fields ?? []).flatMap((name, i): Problem[] => {
    if (names.includes(name)) return [];
    const meant = closestWord(name, names);
    const hint = meant === undefined ? `use ${names.join(", ")}` : `did you mean ${meant}?`;
    return [{ path: `record.fields.${i}`, message: `${name} is not a field of a cell: ${hint}` }];
  });
}

/** Returns what is recorded without a field that is undefined, as an event has it. */
function asStored({ everyMinutes, fields }: NonNullable<CreateRequest["record"]>): Recorded {
  return { everyMinutes, ...(fields === undefined ? {} : { fields }) };
}

/** Returns the value as JSON records it: without fields that are undefined. */
function asRecorded<T>(value: object): Record<string, T> {
  return JSON.parse(JSON.stringify(value)) as Record<string, T>;
}
