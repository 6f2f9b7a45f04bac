import { FULL_DEMAND, REFERENCE_DOUBLING_MINUTES, type VmSample } from "@bioxen/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Durations } from "./durations.ts";
import { growthPermille, healthOf } from "./health.ts";
import { countSample, LOSS_WINDOW_S, LossWindow } from "./loss.ts";

const SYN3A = { biologicalType: "syn3a" } as const;
const FULL = FULL_DEMAND.syn3a;
const sample = (growthPermille: number, fields: Partial<VmSample> = {}): VmSample =>
  ({
    growthRatePerMinute: ((Math.LN2 / REFERENCE_DOUBLING_MINUTES.syn3a) * growthPermille) / 1_000,
    ribosomes: { total: 600, engaged: 480, cap: FULL["ribosomes"] },
    atp: { molecules: 1, perSecond: 1, capPerSecond: FULL["atpPerSecond"] },
    rnaPolymerases: { cap: FULL["rnaPolymerases"] },
    lagMs: 0,
    ...fields,
  }) as VmSample;
const few = { total: 600, engaged: 100, cap: 126 };

describe("health", () => {
  it("is the growth rate relative to that of the type, and has no reasons at full demand", () => {
    expect(healthOf(SYN3A, sample(1_000))).toEqual({ health: 100, reasons: [] });
    expect(healthOf(SYN3A, sample(1_400)).health).toBe(100);
    expect(healthOf(SYN3A, sample(960))).toEqual({ health: 96, reasons: [] });
  });

  it("names the scarce resources and how much of the demand is granted", () => {
    expect(healthOf(SYN3A, sample(400, { ribosomes: few }))).toEqual({
      health: 40,
      reasons: [
        { code: "starved", message: "has 25 % of the ribosomes it needs: grows at 40 % of its type's rate" },
      ],
    });
    const both = sample(5, { ribosomes: few, atp: { molecules: 1, perSecond: 0, capPerSecond: 0 } });
    expect(healthOf(SYN3A, both).reasons).toEqual([
      {
        code: "stalled",
        message:
          "has 25 % of the ribosomes it needs and 0 % of the ATP it needs: grows at 1 % of its type's rate",
      },
    ]);
    expect(healthOf(SYN3A, sample(700)).reasons.map(({ code }) => code)).toEqual(["slow"]);
  });

  it("of a cell of another model is what the model says, also as its growth", () => {
    const vm = { ...SYN3A, config: { model: "chemostat" } };
    expect(growthPermille(vm, sample(10, { health: 80 }))).toBe(800);
    expect(healthOf(vm, sample(10, { health: 80 }))).toEqual({ health: 80, reasons: [] });
    expect(healthOf(vm, sample(10, { health: 80, lagMs: 30_000 })).health).toBe(40);
  });

  it("falls with the lag of the host, to 0 after a minute", () => {
    const late = healthOf(SYN3A, sample(1_000, { lagMs: 30_000 }));
    expect(late).toMatchObject({ health: 50, reasons: [{ code: "lagging" }] });
    expect(healthOf(SYN3A, sample(1_000, { lagMs: 600_000 })).health).toBe(0);
  });
});

describe("health of a cell in a machine", () => {
  const machine = (agent: object | null, memoryUsedMiB = 100) =>
    ({
      vcpus: 2,
      cpuPermille: 100,
      memoryMiB: 1_000,
      memoryUsedMiB,
      address: null,
      host: null,
      agent,
    }) as NonNullable<VmSample["machine"]>;
  const agent = { version: "0.2.0", model: "weisse", state: "running" };
  const inMachine = (permille: number, of = machine(agent)) => sample(permille, { machine: of });

  it("is that of the cell, and at most that of the machine", () => {
    expect(healthOf(SYN3A, inMachine(1_000))).toEqual({ health: 100, reasons: [] });
    expect(healthOf(SYN3A, inMachine(400)).health).toBe(40);
    expect(healthOf(SYN3A, inMachine(1_000, machine(agent, 990)))).toMatchObject({
      health: 50,
      reasons: [{ code: "memory" }],
    });
    expect(growthPermille(SYN3A, inMachine(400))).toBe(400);
  });

  it("is 0 for a cell that has failed, and that of a machine without an agent", () => {
    const failed = machine({ ...agent, state: "failed", reason: "no memory" });
    expect(healthOf(SYN3A, inMachine(1_000, failed))).toMatchObject({
      health: 0,
      reasons: [{ code: "stalled", message: expect.stringMatching("no memory") }],
    });
    expect(growthPermille(SYN3A, inMachine(1_000, failed))).toBe(0);
    expect(growthPermille(SYN3A, inMachine(1_000, machine(null)))).toBeNull();
  });
});

describe("health of a machine", () => {
  const machineOf = (fields: object) =>
    sample(0, {
      machine: {
        vcpus: 2,
        cpuPermille: 10,
        memoryMiB: 1_000,
        memoryUsedMiB: 400,
        address: null,
        host: null,
        ...fields,
      },
    });

  it("is 100 although it does not grow and has no ribosomes", () => {
    expect(healthOf(SYN3A, machineOf({}))).toEqual({ health: 100, reasons: [] });
    expect(healthOf(SYN3A, machineOf({ memoryUsedMiB: null }))).toEqual({ health: 100, reasons: [] });
    expect(growthPermille(SYN3A, machineOf({}))).toBeNull();
  });

  it("falls when its memory is nearly full, and is unknown while its pool does not measure it", () => {
    expect(healthOf(SYN3A, machineOf({ memoryUsedMiB: 949 })).health).toBe(100);
    expect(healthOf(SYN3A, machineOf({ memoryUsedMiB: 950 }))).toEqual({
      health: 50,
      reasons: [{ code: "memory", message: "uses 95 % of its memory of 1000 MiB" }],
    });
    expect(healthOf(SYN3A, machineOf({ cpuPermille: null }))).toMatchObject({
      health: null,
      reasons: [{ code: "unmeasured" }],
    });
  });
});

describe("lost telemetry", () => {
  it("received and lost samples add up to the sent ones, for any losses and restarts", () => {
    const incarnation = fc.array(fc.boolean(), { minLength: 2, maxLength: 40 });
    fc.assert(
      fc.property(fc.array(incarnation, { minLength: 1, maxLength: 4 }), (incarnations) => {
        let last: number | undefined;
        let [received, lost] = [0, 0];
        let sent = 0;
        let lostAtEnd = 0;
        for (const arrives of incarnations) {
          // The first sample of an incarnation always arrives: its number tells a restart from an overtaken sample.
          for (const [i, arrived] of arrives.entries()) {
            sent += 1;
            if (!arrived && i > 0) {
              lostAtEnd += 1;
              continue;
            }
            lostAtEnd = 0;
            const counted = countSample(last, i + 1);
            last = counted.last;
            received += counted.received;
            lost += counted.lost;
          }
          // Samples lost at the very end of an incarnation cannot be counted.
          sent -= lostAtEnd;
          lostAtEnd = 0;
        }
        expect(received + lost).toBe(sent);
        expect(lost).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it("an overtaken sample is no loss, and a duplicate counts once", () => {
    let last: number | undefined;
    const counts = [1, 2, 4, 3, 5, 5].map((number) => {
      const counted = countSample(last, number);
      last = counted.last;
      return counted;
    });
    expect(counts.reduce((sum, counted) => sum + counted.lost, 0)).toBe(0);
    expect(counts.reduce((sum, counted) => sum + counted.received, 0)).toBe(5);
  });

  it("the share covers the window only", () => {
    const window = new LossWindow();
    for (let s = 0; s < 10; s += 1) window.add({ received: 1, lost: s === 5 ? 10 : 0, last: 0 }, s * 1_000);
    expect(window.permille(9_000)).toBe(500);
    expect(window.view(9_000)).toEqual({ received: 10, lost: 10, lostPermille: 500 });
    expect(window.permille((LOSS_WINDOW_S + 9) * 1_000)).toBeUndefined();
  });
});

describe("durations", () => {
  it("a quantile is never below the exact value", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 300_000 }), { minLength: 1 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (all, share) => {
          const durations = new Durations();
          for (const ms of all) durations.add(ms);
          const sorted = [...all].sort((a, b) => a - b);
          const exact = sorted[Math.ceil(share * all.length) - 1] ?? 0;
          const quantile = durations.quantileMs(share) ?? Number.NaN;
          expect(quantile).toBeGreaterThanOrEqual(exact);
          expect(durations.cumulative().at(-1)?.count).toBe(all.length);
        },
      ),
    );
    expect(new Durations().quantileMs(0.5)).toBeNull();
  });
});
