/**
 * The commands on VMs: what must be looked up before deciding, and what must be asked of others before appending.
 */
import {
  agentExec,
  type Chassis,
  type ChassisState,
  causedByMove,
  ENDPOINTS,
  emptyRoom,
  fullDemand,
  type Handled,
  isFollowedBy,
  isHeldByPreemption,
  type Ledger,
  mismatchOf,
  type ParsedRequestOf,
  type PlacementRefusal,
  type Problem,
  type ResultOf,
  refuse,
  requestedAmounts,
  roomFor,
  type Vm,
  type VmState,
  viewOfVm,
} from "@bioxen/contracts";
import {
  type Aggregates,
  type Amounts,
  type Caller,
  type Causation,
  type Clock,
  causedBy,
  type Executed,
  equalAmounts,
  type ReadModel,
  type Rejection,
  UNCHANGED,
} from "@bioxen/kernel";
import {
  admit,
  decideCreate,
  decideDefer,
  decideDestroy,
  decidePause,
  decideResize,
  decideResume,
  decideStart,
  decideStop,
  preemptedMeanwhile,
  type VmDecision,
} from "../domain/vm.ts";
import { decideReport } from "../domain/vm-world.ts";
import { burstAmounts, burstProblems } from "./burst.ts";
import { seedOf, vmIdOf } from "./derived-ids.ts";
import { guaranteeProblems } from "./guarantee.ts";
import { onAllChassis } from "./known-chassis.ts";
import { type PreemptionCommands, passedOn, RESIZE_TIMEOUT_MS, resizeIdOf } from "./preemption-commands.ts";

/** What an exec may take beside the guest's own time, ms: two hops and the guest's turn among others. */
const EXEC_MARGIN_MS = 5_000;

export interface CommandPorts {
  readonly vms: Aggregates<VmState>;
  readonly ledgers: ReadModel<Ledger>;
  readonly chassis: ReadModel<ChassisState>;
  readonly caller: Caller;
  readonly clock: Clock;
  /** Resolves once the event with this sequence is in the folds here. */
  readonly applied: (seq: number) => Promise<void>;
  /** Resolves once everything that is in the log now is in the folds here. */
  readonly caughtUp: () => Promise<void>;
}

type VmChanged = ResultOf<"vmCreate">;

/** The answer to a command on a VM: whether it changed anything, and what the VM is now. */
export function changedVm(vmId: string, executed: Executed<VmState>): Handled<VmChanged> {
  if (!executed.ok) return { ok: false, rejection: executed.rejection };
  const { state } = executed.held;
  if (!state.exists) return refuse("VM_NOT_FOUND", `there is no VM ${vmId}`);
  return { ok: true, result: { changed: executed.changed, vm: viewOfVm(vmId, state) } };
}

export class VmCommands {
  readonly #ports: CommandPorts;
  readonly #preemptions: PreemptionCommands;

  constructor(ports: CommandPorts, preemptions: PreemptionCommands) {
    this.#ports = ports;
    this.#preemptions = preemptions;
  }

  async create(request: ParsedRequestOf<"vmCreate">, causation: Causation): Promise<Handled<VmChanged>> {
    const { biologicalType, vmType } = request;
    const full = fullDemand(biologicalType, vmType);
    const wanted = requestedAmounts(request.resources, full, full);
    const guarantee = request.guarantee && requestedAmounts(request.guarantee, full, wanted);
    const burst = request.burst && burstAmounts(request.burst, full);
    const problems = [
      ...foreignResources("resources", request.resources, full),
      ...foreignResources("burst", request.burst ?? {}, full),
      ...(burst === undefined ? [] : burstProblems(vmType, wanted, burst)),
      ...foreignResources("guarantee", request.guarantee ?? {}, full),
      ...(guarantee === undefined ? [] : guaranteeProblems(vmType, wanted, guarantee)),
      ...parameterSetProblems(request),
    ];
    if (problems.length > 0) return badRequest(problems);
    const vmId = request.vmId ?? vmIdOf(causation.causeId);
    const executed = await this.#ports.vms.execute(vmId, causation, (state) =>
      decideCreate(vmId, state, {
        biologicalType,
        vmType,
        request: wanted,
        ...(guarantee === undefined ? {} : { guarantee }),
        ...(burst === undefined ? {} : { burst }),
        priority: request.priority,
        seed: request.seed ?? seedOf(causation.causeId),
        program: request.program ?? null,
        environment: recorded(request.environment),
        placement: recorded(request.placement),
        restartPolicy: request.restartPolicy,
        labels: request.labels,
        config: request.config,
        parent: null,
      }),
    );
    return changedVm(vmId, executed);
  }

  async start({ vmId }: { vmId: string }, causation: Causation): Promise<Handled<VmChanged>> {
    const decide = (state: VmState) => decideStart(vmId, state, (vm) => this.#infeasible(vm));
    const { vms } = this.#ports;
    return changedVm(vmId, await onAllChassis(this.#ports, () => vms.execute(vmId, causation, decide)));
  }

  pause = (request: { vmId: string }, causation: Causation) =>
    this.#decide(request.vmId, causation, (state) => decidePause(request.vmId, state));
  stop = (request: { vmId: string }, causation: Causation) =>
    this.#decide(request.vmId, causation, (state) => decideStop(request.vmId, state));
  destroy = (request: { vmId: string }, causation: Causation) =>
    this.#decide(request.vmId, causation, (state) => decideDestroy(request.vmId, state));

  async resume({ vmId }: { vmId: string }, causation: Causation): Promise<Handled<VmChanged>> {
    const { state } = await this.#ports.vms.refresh(vmId);
    if (!state.exists || !isHeldByPreemption(state)) {
      return this.#decide(vmId, causation, (now) => decideResume(vmId, now));
    }
    const restored = await this.#preemptions.restore(vmId, state, true, causation);
    return restored.ok ? changedVm(vmId, restored) : restored;
  }

  /**
   * Where the VM holds a place the ledger decides first; should this process die between the two appends,
   * the VM adopts the ledger's amounts (`vm-process.ts`, at whichever instance, after a while).
   */
  async resize(
    { vmId, resources }: ParsedRequestOf<"vmResize">,
    causation: Causation,
  ): Promise<Handled<VmChanged>> {
    const before = (await this.#ports.vms.refresh(vmId)).state;
    const admitted = admit(vmId, before, "resize");
    if ("answer" in admitted) return this.#decide(vmId, causation, () => admitted.answer);
    const { vm } = admitted;
    if (vm.migration?.target) {
      const message = `${vmId} is on its way to ${vm.migration.target.chassisId}: resize it there`;
      return refuse("CONFLICT", message, { retryable: true });
    }
    const full = fullDemand(vm.biologicalType, vm.vmType);
    const problems = foreignResources("resources", resources, full);
    if (problems.length > 0) return badRequest(problems);
    const request = requestedAmounts(resources, full, vm.request);
    if (vm.fence === null || vm.chassisId === null) {
      return this.#decide(vmId, causation, (state) => decideResize(vmId, state, request, null));
    }
    const { chassisId, fence, preemption } = vm;
    const held = this.#ports.ledgers.get(chassisId).entries[vmId];
    if (held !== undefined && !isFollowedBy(vm, held)) {
      return this.#decide(vmId, causation, () => preemptedMeanwhile(vmId));
    }
    const reply = await this.#ports.caller.call(
      ENDPOINTS.ledgerResize.subject,
      { chassisId, vmId, fence, amounts: request },
      { timeoutMs: RESIZE_TIMEOUT_MS, causation, ...resizeIdOf(causation, fence, preemption) },
    );
    if (!reply.ok) return passedOn(reply.error);
    await this.#ports.applied((reply as ResultOf<"ledgerResize"> & { ok: true }).seq);
    // A command that is sent again may find that another one has changed the ledger since: what it holds now counts.
    const entry = this.#ports.ledgers.get(chassisId).entries[vmId];
    if (entry?.fence !== fence) {
      return refuse("CONFLICT", `${vmId} lost its place meanwhile, try again`, { retryable: true });
    }
    return this.#decide(vmId, causation, (state) =>
      isPreempted(state) && !equalAmounts(entry.amounts, request)
        ? preemptedMeanwhile(vmId)
        : decideResize(vmId, state, entry.amounts, entry),
    );
  }

  async exec(
    { vmId, source, timeoutMs }: ParsedRequestOf<"vmExec">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"vmExec">>> {
    const admitted = admit(vmId, (await this.#ports.vms.refresh(vmId)).state, "exec");
    if ("answer" in admitted) {
      if (!admitted.answer.ok) return { ok: false, rejection: admitted.answer.rejection };
      return refuse("INTERNAL", "exec is nothing that can be there already");
    }
    const { chassisId, fence } = admitted.vm;
    const chassis = chassisId === null ? undefined : this.#ports.chassis.get(chassisId);
    if (chassis === undefined || !chassis.registered || fence === null) {
      return refuse("UNAVAILABLE", `the chassis of ${vmId} is not registered`, { retryable: true });
    }
    const reply = await this.#ports.caller.call(
      agentExec(chassis.agentId).subject,
      { vmId, fence, source, timeoutMs },
      { timeoutMs: timeoutMs + EXEC_MARGIN_MS, causation },
    );
    if (!reply.ok) return passedOn(reply.error);
    const { result, stdout, instructions } = reply as ResultOf<"vmExec"> & { ok: true };
    return { ok: true, result: { result, stdout, instructions } };
  }

  async defer({ deferrals }: ParsedRequestOf<"vmDefer">): Promise<Handled<Record<string, never>>> {
    for (const { vmId, reasons } of deferrals) await this.#tell(vmId, reasons);
    return { ok: true, result: {} };
  }

  /** Of a page of many VMs each stays in its own chain; what made this one wait may not be known here yet. */
  async #tell(vmId: string, reasons: readonly PlacementRefusal[]): Promise<void> {
    const { vms } = this.#ports;
    const known = vms.get(vmId);
    const isNews = decideDefer(known.state, reasons) !== UNCHANGED;
    for (let held = isNews ? known : await vms.refresh(vmId); held.last !== undefined; ) {
      const move = moveOf(held.state);
      // What it is told is of this move, or of its waiting for any place at all: it may have begun to wait for another meanwhile.
      const isSame = (state: VmState) => moveOf(state)?.requestedBy.id === move?.requestedBy.id;
      const own = move === null ? causedBy(held.last) : causedByMove(move);
      await vms.execute(vmId, own, (now) => (isSame(now) ? decideDefer(now, reasons) : UNCHANGED));
      held = vms.get(vmId);
      if (isSame(held.state)) return;
    }
  }

  async report(
    { vmId, ...report }: ParsedRequestOf<"vmReport">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"vmReport">>> {
    const executed = await this.#ports.vms.execute(vmId, causation, (state) => {
      const entryOn = (chassisId: string | null | undefined) =>
        chassisId ? this.#ports.ledgers.get(chassisId).entries[vmId] : undefined;
      const [own, elsewhere] = state.exists ? [state.chassisId, state.migration?.target?.chassisId] : [];
      return decideReport(state, report, entryOn(own), this.#ports.clock.nowMs(), entryOn(elsewhere));
    });
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    return { ok: true, result: { changed: executed.changed, seq: executed.held.lastSeq } };
  }

  async #decide(
    vmId: string,
    causation: Causation,
    decide: (state: VmState) => VmDecision,
  ): Promise<Handled<VmChanged>> {
    return changedVm(vmId, await this.#ports.vms.execute(vmId, causation, decide));
  }

  /** Why every registered chassis could never hold it; undefined when one could, or none is registered. */
  #infeasible(vm: Vm): readonly PlacementRefusal[] | undefined {
    const registered = [...this.#ports.chassis.entries()].filter(
      (entry): entry is [string, Chassis] => entry[1].registered,
    );
    const wanted = vm.placement["chassisId"];
    if (registered.length === 0) return undefined;
    if (typeof wanted === "string" && !registered.some(([chassisId]) => chassisId === wanted))
      return undefined;
    const reasons: PlacementRefusal[] = [];
    for (const [chassisId, chassis] of registered) {
      const misfit = mismatchOf(vm, chassisId, chassis) ?? roomFor(vm.request, emptyRoom(chassis));
      if (misfit === undefined) return undefined;
      reasons.push({ chassisId, ...misfit });
    }
    return reasons;
  }
}

function isPreempted(state: VmState): boolean {
  return state.exists && state.preemption?.active === true;
}

function foreignResources(
  field: "resources" | "guarantee" | "burst",
  resources: object,
  full: Amounts,
): Problem[] {
  const foreign = Object.keys(resources).filter((name) => !(name in full));
  return foreign.map((name) => ({
    path: `${field}.${name}`,
    message: "is not a resource of this type of VM",
  }));
}

/** The published, unscaled parameters exist for E. coli only. */
function parameterSetProblems({ biologicalType, config }: ParsedRequestOf<"vmCreate">): Problem[] {
  const wanted = config["parameterSet"];
  if (wanted === undefined || wanted === "default") return [];
  if (wanted === "weisse-2015" && biologicalType === "ecoli") return [];
  return [{ path: "config.parameterSet", message: 'must be "default", or "weisse-2015" for ecoli' }];
}

function badRequest(problems: readonly Problem[]): {
  readonly ok: false;
  readonly rejection: Rejection;
} {
  const message = problems.map((p) => `${p.path} ${p.message}`).join("; ");
  return refuse("BAD_REQUEST", message, { details: { problems } });
}

/** As JSON records it: without what is undefined. */
function recorded<T>(value: object): Record<string, T> {
  return JSON.parse(JSON.stringify(value)) as Record<string, T>;
}

function moveOf(state: VmState) {
  return state.exists ? state.migration : null;
}
