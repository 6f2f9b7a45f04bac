/**
 * Queries of the monitor: one VM, one chassis, the fleet, and a report on what limits it.
 */
import {
  cursorOf,
  done,
  ENDPOINTS,
  FrozenPages,
  type Handled,
  type ParsedRequestOf,
  pageOfWhole,
  positionOfCursor,
  type ResultOf,
  refuse,
} from "@bioxen/contracts";
import type { ServicePorts } from "@bioxen/kernel";
import { findingsOf, type ReportInput } from "../domain/report.ts";
import { permilleOf, utilisationOf } from "../domain/utilisation.ts";
import type { Fleet } from "./fleet.ts";
import type { Samples } from "./samples.ts";

export class MonitorQueries {
  readonly #ports: ServicePorts;
  readonly #fleet: Fleet;
  readonly #samples: Samples;
  readonly #frozen: FrozenPages;

  constructor(ports: ServicePorts, fleet: Fleet, samples: Samples) {
    this.#ports = ports;
    this.#frozen = new FrozenPages({ ...ports, appliedSeq: () => 0 });
    this.#fleet = fleet;
    this.#samples = samples;
  }

  vm(vmId: string): Handled<ResultOf<"monitorVm">> {
    const vm = this.#fleet.vms.get(vmId);
    if (!vm.exists) return refuse("VM_NOT_FOUND", `there is no VM ${vmId}`);
    const sample = this.#samples.vms.get(vmId) ?? null;
    const ageMs = sample === null ? null : Math.max(0, this.#ports.clock.nowMs() - sample.atMs);
    const { health, reasons } = this.#fleet.healthOf(vmId, vm) ?? { health: null, reasons: [] };
    return done({ sample, ageMs, health, reasons: [...reasons] });
  }

  chassis(chassisId: string): Handled<ResultOf<"monitorChassis">> {
    const ledger = this.#fleet.ledgers.get(chassisId);
    if (!this.#fleet.chassis.get(chassisId).registered && !ledger.open) {
      return refuse("CHASSIS_NOT_FOUND", `there is no chassis ${chassisId}`);
    }
    const nowMs = this.#ports.clock.nowMs();
    const here = this.#fleet.existing().filter(([, vm]) => vm.chassisId === chassisId);
    return done({
      chassisId,
      utilisation: utilisationOf([ledger]),
      fairness: this.#fleet.fairness(here),
      health: this.#fleet.meanHealth(here),
      vms: here.length,
      sample: this.#samples.chassis.get(chassisId) ?? null,
      heartbeatAgeMs: this.#samples.chassis.ageMs(chassisId, nowMs) ?? null,
      impaired: this.#fleet.impairments(here),
      telemetry: this.#samples.lossOf(chassisId).view(nowMs),
    });
  }

  /**
   * Returns the figures of the fleet and one page of samples. Samples are not in the log, so each page has the newest
   * samples at the time of its query. The cursor names the VM of the first sample on the next page.
   */
  fleet(request: ParsedRequestOf<"monitorFleet">, maxBytes: number): Handled<ResultOf<"monitorFleet">> {
    const { cursor, limit } = request;
    const read = cursor === undefined ? undefined : positionOfCursor(cursor);
    if (read?.ok === false) return read;
    const from = read === undefined ? "" : "after" in read.position ? read.position.after : read.position.id;
    const all = this.#fleet.existing();
    const samples = all.flatMap(([vmId]) => this.#samples.vms.get(vmId) ?? []);
    const { starts } = this.#fleet;
    const rest = samples.filter(({ vmId }) => vmId >= from);
    const whole = {
      utilisation: utilisationOf(this.#fleet.openLedgers().map(([, ledger]) => ledger)),
      fairness: this.#fleet.fairness(all),
      health: this.#fleet.meanHealth(all),
      vms: this.#fleet.byState(all),
      divisions: samples.reduce((sum, sample) => sum + (sample.divisions ?? 0), 0),
      samples: rest,
      impaired: this.#fleet.impairments(all),
      waits: this.#fleet.waits(all),
      starts: {
        count: starts.count,
        p50Ms: starts.quantileMs(0.5),
        p95Ms: starts.quantileMs(0.95),
        p99Ms: starts.quantileMs(0.99),
        buckets: starts.cumulative(),
      },
      telemetry: this.#samples.lossOfAll(),
      services: this.#samples.servicesNow(),
    };
    const shape = ENDPOINTS.monitorFleet.pages ?? {};
    return pageOfWhole(whole, { shape, request: { limit }, maxBytes, firstIndex: 0 }, (index) =>
      cursorOf({ seq: 0, id: rest[index]?.vmId ?? "", index: 0 }),
    ) as Handled<ResultOf<"monitorFleet">>;
  }

  report(
    request: ParsedRequestOf<"monitorReport">,
    maxBytes: number,
  ): Promise<Handled<ResultOf<"monitorReport">>> {
    const { subject, pages = {} } = ENDPOINTS.monitorReport;
    return this.#frozen.page<ResultOf<"monitorReport">>(subject, request, maxBytes, pages, () =>
      this.#report(),
    );
  }

  #report(): Handled<Omit<ResultOf<"monitorReport">, "cursor">> {
    const nowMs = this.#ports.clock.nowMs();
    const all = this.#fleet.existing();
    const waiting = all.flatMap(([vmId, vm]) =>
      vm.state === "pending"
        ? [{ vmId, waitedMs: Math.max(0, nowMs - (vm.pendingSinceMs ?? nowMs)), refusals: vm.refusals }]
        : [],
    );
    const impaired = all.flatMap(([vmId, vm]) => {
      const assessed = this.#fleet.healthOf(vmId, vm);
      return (assessed?.reasons ?? []).map((reason) => ({
        vmId,
        health: assessed?.health ?? null,
        ...reason,
      }));
    });
    const findings = findingsOf({
      chassis: this.#reportedChassis(nowMs),
      waiting,
      impaired,
      services: this.#samples.servicesNow(),
      fairness: this.#fleet.fairness(all),
      telemetryLostPermille: this.#samples.lostPermille(nowMs) ?? null,
    });
    return done({ findings });
  }

  /** Returns the registered chassis in order of id. */
  #reportedChassis(nowMs: number): ReportInput["chassis"] {
    const chassis = [...this.#fleet.chassis.entries()].flatMap(([chassisId, { registered }]) => {
      if (!registered) return [];
      const heartbeatAgeMs = this.#samples.chassis.ageMs(chassisId, nowMs) ?? null;
      const eventLoopLagMs = this.#samples.chassis.get(chassisId)?.eventLoopLagMs ?? null;
      const reservedPermille = permilleOf(utilisationOf([this.#fleet.ledgers.get(chassisId)]));
      return [{ chassisId, heartbeatAgeMs, eventLoopLagMs, reservedPermille }];
    });
    return chassis.sort((a, b) => (a.chassisId < b.chassisId ? -1 : 1));
  }
}
