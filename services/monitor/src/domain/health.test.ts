import { FULL_DEMAND, REFERENCE_DOUBLING_MINUTES, type VmSample } from "@bioxen/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Durations } from "./durations.ts";
import { healthOf } from "./health.ts";
import { heardNext, LOSS_WINDOW_S, LossWindow } from "./loss.ts";

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
  it("is growth as a share of the type's, whole and without a reason under full demand", () => {
    expect(healthOf(SYN3A, sample(1_000))).toEqual({ health: 100, reasons: [] });
    expect(healthOf(SYN3A, sample(1_400)).health).toBe(100);
    expect(healthOf(SYN3A, sample(960))).toEqual({ health: 96, reasons: [] });
  });

  it("names what is short, and how much of it there is", () => {
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

  it("a host that owes time takes it away, all of it after a minute", () => {
    const late = healthOf(SYN3A, sample(1_000, { lagMs: 30_000 }));
    expect(late).toMatchObject({ health: 50, reasons: [{ code: "lagging" }] });
    expect(healthOf(SYN3A, sample(1_000, { lagMs: 600_000 })).health).toBe(0);
  });
});

describe("lost telemetry", () => {
  it("what was sent is what arrived and what was lost, however much is lost, late or restarted", () => {
    const life = fc.array(fc.boolean(), { minLength: 2, maxLength: 40 });
    fc.assert(
      fc.property(fc.array(life, { minLength: 1, maxLength: 4 }), (lives) => {
        let last: number | undefined;
        let [received, lost] = [0, 0];
        let sent = 0;
        let unknown = 0;
        for (const arrives of lives) {
          // A restart is told from an overtaken sample by its number: the first always arrives here.
          for (const [i, arrived] of arrives.entries()) {
            sent += 1;
            if (!arrived && i > 0) {
              unknown += 1;
              continue;
            }
            unknown = 0;
            const heard = heardNext(last, i + 1);
            last = heard.last;
            received += heard.received;
            lost += heard.lost;
          }
          // What is lost at the very end of a life nobody can count.
          sent -= unknown;
          unknown = 0;
        }
        expect(received + lost).toBe(sent);
        expect(lost).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it("one that was overtaken is no loss in the end, and one that comes twice counts once", () => {
    let last: number | undefined;
    const counts = [1, 2, 4, 3, 5, 5].map((number) => {
      const heard = heardNext(last, number);
      last = heard.last;
      return heard;
    });
    expect(counts.reduce((sum, heard) => sum + heard.lost, 0)).toBe(0);
    expect(counts.reduce((sum, heard) => sum + heard.received, 0)).toBe(5);
  });

  it("the share is of the window, and forgets", () => {
    const window = new LossWindow();
    for (let s = 0; s < 10; s += 1) window.add({ received: 1, lost: s === 5 ? 10 : 0, last: 0 }, s * 1_000);
    expect(window.permille(9_000)).toBe(500);
    expect(window.view(9_000)).toEqual({ received: 10, lost: 10, lostPermille: 500 });
    expect(window.permille((LOSS_WINDOW_S + 9) * 1_000)).toBeUndefined();
  });
});

describe("durations", () => {
  it("a quantile is never less than it was, and never more than the end of its bucket", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 300_000 }), { minLength: 1 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (all, share) => {
          const durations = new Durations();
          for (const ms of all) durations.add(ms);
          const sorted = [...all].sort((a, b) => a - b);
          const exact = sorted[Math.ceil(share * all.length) - 1] ?? 0;
          const said = durations.quantileMs(share) ?? Number.NaN;
          expect(said).toBeGreaterThanOrEqual(exact);
          expect(durations.cumulative().at(-1)?.count).toBe(all.length);
        },
      ),
    );
    expect(new Durations().quantileMs(0.5)).toBeNull();
  });
});
