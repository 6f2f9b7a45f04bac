/**
 * Drains as operators ask for them and about them.
 */
import {
  type ChassisTypeData,
  type Drain,
  type DrainState,
  type DrainView,
  type Handled,
  type ParsedRequestOf,
  type ResultOf,
  refuse,
  viewOfChassis,
} from "@bioxen/contracts";
import { type Causation, type Clock, causedBy, type Executed } from "@bioxen/kernel";
import { notFound } from "../domain/chassis.ts";
import { decideCancelDrain, decideClose, decideDrain, isDraining, whyHere } from "../domain/drain.ts";
import type { Cluster } from "./cluster.ts";

type Drained = Handled<ResultOf<"chassisDrain">>;

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
  ): Promise<Drained> {
    const { chassis, drains } = this.#cluster;
    const { state } = await chassis.refresh(chassisId);
    if (state.registered && this.#types.get(state.chassisType)?.hosts === "xcpng") {
      const message = `${chassisId} is a pool: it moves its VMs between its hosts itself, and none of them can go to another chassis`;
      return refuse("UNSUPPORTED", message);
    }
    const deadlineAtMs = this.#clock.nowMs() + deadlineMs;
    const executed = await drains.execute(chassisId, causation, (drain) =>
      decideDrain(chassisId, drain, chassis.get(chassisId).state, this.#cluster.occupancy.of(chassisId), {
        parallelism,
        deadlineAtMs,
      }),
    );
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    const now = drains.get(chassisId).state;
    // At once; whoever dies in between leaves it to the process.
    if (isDraining(now)) {
      await chassis.execute(chassisId, causedBy(now.startedBy), (one) => decideClose(chassisId, now, one));
    }
    return this.#answer(chassisId, executed);
  }

  async cancel({ chassisId }: ParsedRequestOf<"chassisCancelDrain">, causation: Causation): Promise<Drained> {
    const { chassis, drains } = this.#cluster;
    await chassis.refresh(chassisId);
    await this.#cluster.occupancy.caughtUpWithDrain(chassisId);
    const executed = await drains.execute(chassisId, causation, (drain) => {
      if (!this.#cluster.occupancy.isCaughtUpWithDrain(chassisId)) return goesOnMeanwhile(chassisId);
      const picture = this.#cluster.occupancy.of(chassisId);
      return decideCancelDrain(chassisId, drain, chassis.get(chassisId).state, picture);
    });
    return this.#answer(chassisId, executed);
  }

  async get({
    chassisId,
  }: ParsedRequestOf<"chassisDrainGet">): Promise<Handled<ResultOf<"chassisDrainGet">>> {
    const { chassis, drains } = this.#cluster;
    const { state } = await drains.refresh(chassisId);
    if (state.exists) return { ok: true, result: { drain: this.#view(chassisId, state) } };
    const known = (await chassis.refresh(chassisId)).state;
    return known.registered ? { ok: true, result: { drain: null } } : notFound(chassisId);
  }

  #answer(chassisId: string, executed: Executed<DrainState>): Drained {
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    const chassis = this.#cluster.chassis.get(chassisId).state;
    if (!chassis.registered) return notFound(chassisId);
    const { state } = executed.held;
    const view = viewOfChassis(chassisId, chassis, this.#cluster.liveness.of(chassisId));
    const drain = state.exists ? this.#view(chassisId, state) : null;
    return { ok: true, result: { changed: executed.changed, chassis: view, drain } };
  }

  #view(chassisId: string, drain: Drain): DrainView {
    const vms = Object.keys(drain.vms)
      .sort()
      .map((vmId) => ({ vmId, ...this.#vmOf(vmId, drain) }));
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

  #vmOf(vmId: string, drain: Drain): Omit<DrainView["vms"][number], "vmId"> {
    const left = drain.vms[vmId];
    if (left) return { status: left.toChassisId === null ? "gone" : "moved", ...left };
    if (drain.ended !== null) {
      return { status: "remains", toChassisId: null, reason: drain.remaining[vmId] ?? null };
    }
    const vm = this.#cluster.vms.get(vmId);
    const target = vm.exists ? (vm.migration?.target ?? null) : null;
    const toChassisId = target?.chassisId ?? null;
    return { status: target === null ? "waiting" : "moving", toChassisId, reason: whyHere(vm) };
  }
}

function goesOnMeanwhile(chassisId: string): ReturnType<typeof refuse> {
  const message = `the drain of ${chassisId} has just gone on: try again`;
  return refuse("CONFLICT", message, { retryable: true });
}
