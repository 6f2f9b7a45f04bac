/**
 * Commands and queries of drains: start, cancel, and the progress of each VM.
 */
import {
  type ChassisTypeData,
  type Drain,
  type DrainState,
  type DrainView,
  done,
  ENDPOINTS,
  type Handled,
  jsonBytesOf,
  type PageRequest,
  type ParsedRequestOf,
  type ResultOf,
  refuse,
  viewOfChassis,
} from "@bioxen/contracts";
import {
  type Causation,
  type Clock,
  causedBy,
  type Executed,
  expectingAnyVersion,
  versionConflict,
} from "@bioxen/kernel";
import { chassisDecider, chassisNotFound } from "../domain/chassis.ts";
import { drainDecider, isDraining, whyStillHere } from "../domain/drain.ts";
import type { Cluster } from "./cluster.ts";

type DrainAnswer = Handled<ResultOf<"chassisDrain">>;

export class DrainCommands {
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  readonly #types: ReadonlyMap<string, ChassisTypeData>;

  constructor(cluster: Cluster, clock: Clock, types: ReadonlyMap<string, ChassisTypeData>) {
    this.#cluster = cluster;
    this.#clock = clock;
    this.#types = types;
  }

  async drain(
    { chassisId, parallelism, deadlineMs }: ParsedRequestOf<"chassisDrain">,
    causation: Causation,
    maxBytes: number,
  ): Promise<DrainAnswer> {
    const { chassis, drains, occupancy } = this.#cluster;
    const { state, version } = await chassis.refresh(chassisId);
    const conflict = versionConflict(`chassis ${chassisId}`, causation.expectedVersion, version);
    if (state.registered && this.#types.get(state.chassisType)?.hosts === "xcpng") {
      const message = `${chassisId} is a pool and cannot be drained: a pool moves its VMs between its own hosts only`;
      return refuse("UNSUPPORTED", message);
    }
    const deadlineAtMs = this.#clock.nowMs() + deadlineMs;
    const executed = await drains.execute(
      chassisId,
      expectingAnyVersion(causation),
      (drain) =>
        conflict ??
        drainDecider.decide(drain, {
          type: "start",
          chassis: chassis.get(chassisId).state,
          occupants: occupancy.of(chassisId),
          parallelism,
          deadlineAtMs,
        }),
    );
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    const drain = drains.get(chassisId).state;
    // If this instance dies before it cordons the chassis, `DrainProcess` on the lease holder cordons the chassis.
    if (isDraining(drain)) {
      const command = { type: "cordon-for-drain", chassisId, drain } as const;
      await chassis.execute(chassisId, causedBy(drain.startedBy), (now) =>
        chassisDecider.decide(now, command),
      );
    }
    return this.#answer(chassisId, executed, maxBytes);
  }

  async cancel(
    { chassisId }: ParsedRequestOf<"chassisCancelDrain">,
    causation: Causation,
    maxBytes: number,
  ): Promise<DrainAnswer> {
    const { chassis, drains, occupancy } = this.#cluster;
    const { version } = await chassis.refresh(chassisId);
    const conflict = versionConflict(`chassis ${chassisId}`, causation.expectedVersion, version);
    await occupancy.caughtUpWithDrain(chassisId);
    const executed = await drains.execute(chassisId, expectingAnyVersion(causation), (drain) => {
      if (conflict !== undefined) return conflict;
      if (!occupancy.isCaughtUpWithDrain(chassisId)) return drainHasAdvanced(chassisId);
      const occupants = occupancy.of(chassisId);
      return drainDecider.decide(drain, {
        type: "cancel",
        chassis: chassis.get(chassisId).state,
        occupants,
      });
    });
    return this.#answer(chassisId, executed, maxBytes);
  }

  get(
    request: ParsedRequestOf<"chassisDrainGet">,
    maxBytes: number,
  ): Promise<Handled<ResultOf<"chassisDrainGet">>> {
    return this.#page(request, maxBytes, () => this.#progress(request.chassisId));
  }

  async #progress(chassisId: string): Promise<Handled<{ drain: DrainView | null }>> {
    const { chassis, drains } = this.#cluster;
    const { state } = await drains.refresh(chassisId);
    if (state.exists) return done({ drain: this.#view(chassisId, state) });
    const known = (await chassis.refresh(chassisId)).state;
    return known.registered ? done({ drain: null }) : chassisNotFound(chassisId);
  }

  /** Returns one page of a drain's progress. `chassisDrainGet` continues from the cursor of a command's reply. */
  #page(
    request: PageRequest,
    maxBytes: number,
    compute: () => Promise<Handled<{ drain: DrainView | null }>> | Handled<{ drain: DrainView | null }>,
  ): Promise<Handled<ResultOf<"chassisDrainGet">>> {
    const { subject, pages = {} } = ENDPOINTS.chassisDrainGet;
    return this.#cluster.frozenPages.page<ResultOf<"chassisDrainGet">>(
      subject,
      request,
      maxBytes,
      pages,
      compute,
    );
  }

  async #answer(chassisId: string, executed: Executed<DrainState>, maxBytes: number): Promise<DrainAnswer> {
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    const state = this.#cluster.chassis.get(chassisId).state;
    if (!state.registered) return chassisNotFound(chassisId);
    const drained = executed.current.state;
    const chassis = viewOfChassis(chassisId, state, this.#cluster.liveness.of(chassisId));
    const rest = { changed: executed.changed, chassis };
    const drain = drained.exists ? this.#view(chassisId, drained) : null;
    const page = await this.#page({}, maxBytes - jsonBytesOf(rest), () => done({ drain }));
    return page.ok ? done({ ...rest, ...page.result }) : page;
  }

  #view(chassisId: string, drain: Drain): DrainView {
    const vms = Object.keys(drain.vms)
      .sort()
      .map((vmId) => ({ vmId, ...this.#progressOf(vmId, drain) }));
    const { status, wasCordoned, parallelism, startedAtMs, deadlineAtMs } = drain;
    return {
      chassisId,
      ...{ status, wasCordoned, parallelism, startedAtMs, deadlineAtMs },
      endedAtMs: drain.ended?.atMs ?? null,
      moved: vms.filter((vm) => vm.status === "moved").length,
      remaining: vms.filter((vm) => vm.status !== "moved" && vm.status !== "gone").length,
      vms,
    };
  }

  #progressOf(vmId: string, drain: Drain): Omit<DrainView["vms"][number], "vmId"> {
    const left = drain.vms[vmId];
    if (left) return { status: left.toChassisId === null ? "gone" : "moved", ...left };
    if (drain.ended !== null) {
      return { status: "remains", toChassisId: null, reason: drain.remaining[vmId] ?? null };
    }
    const vm = this.#cluster.vms.get(vmId);
    const target = vm.exists ? (vm.migration?.target ?? null) : null;
    const toChassisId = target?.chassisId ?? null;
    return { status: target === null ? "waiting" : "moving", toChassisId, reason: whyStillHere(vm) };
  }
}

function drainHasAdvanced(chassisId: string): ReturnType<typeof refuse> {
  const message = `the drain of ${chassisId} has advanced meanwhile: try again`;
  return refuse("CONFLICT", message, { retryable: true });
}
