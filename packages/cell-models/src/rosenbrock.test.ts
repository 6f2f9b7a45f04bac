import { describe, expect, test } from "vitest";
import { MAX_STEPS_PER_QUANTUM, Rosenbrock, type StiffSystem } from "./rosenbrock.ts";
import { StepLimitError } from "./step-limit-error.ts";

interface Counted extends StiffSystem<Float64Array> {
  calls: number;
}

/** y' = −rate·y for each rate, positive values only. */
function decay(rates: readonly number[]): Counted {
  return {
    size: rates.length,
    calls: 0,
    rates(y, out) {
      this.calls += 1;
      rates.forEach((rate, i) => {
        out[i] = -rate * (y[i] as number);
      });
    },
    jacobian(_, out) {
      rates.forEach((rate, i) => {
        out[i * rates.length + i] = -rate;
      });
    },
    admissible: (_, to) => to.every((value) => value >= 0),
  };
}

/** Robertson's kinetics, a standard benchmark: rate constants over nine orders of magnitude. */
const robertson: StiffSystem<Float64Array> = {
  size: 3,
  rates(y, out) {
    const [a, b, c] = y as unknown as [number, number, number];
    out[0] = -0.04 * a + 1e4 * b * c;
    out[2] = 3e7 * b * b;
    out[1] = -(out[0] as number) - (out[2] as number);
  },
  jacobian(y, out) {
    const [, b, c] = y as unknown as [number, number, number];
    const first = [-0.04, 1e4 * c, 1e4 * b];
    const third = [0, 6e7 * b, 0];
    out.set(first);
    out.set(
      first.map((value, i) => -value - (third[i] as number)),
      3,
    );
    out.set(third, 6);
  },
  admissible: (_, to) => to.every((value) => value >= 0),
};

function solverOf(system: StiffSystem<Float64Array>, relative: number, absolute: number) {
  const tolerance = { relative, absolute: new Float64Array(system.size).fill(absolute) };
  return new Rosenbrock(system, tolerance, () => new Float64Array(system.size));
}

describe("accuracy", () => {
  test("Robertson's kinetics at t = 40 and t = 4e4 match the reference solution", () => {
    const solver = solverOf(robertson, 1e-6, 1e-12);
    const y = Float64Array.from([1, 0, 0]);
    let step = solver.integrate(y, 40, 1e-6);
    expect(y[0]).toBeCloseTo(0.715827, 5);
    expect((y[1] as number) * 1e6).toBeCloseTo(9.18553, 3);
    expect(y[2]).toBeCloseTo(0.284164, 5);
    step = solver.integrate(y, 4e4 - 40, step);
    expect(y[0]).toBeCloseTo(0.0389834, 5);
    expect(step).toBeGreaterThan(100);
  });

  test("the error falls in proportion to the tolerance: the solution is of order 3", () => {
    const errors = [1e-4, 1e-6, 1e-8].map((tolerance) => {
      const y = Float64Array.from([1]);
      solverOf(decay([3]), tolerance, tolerance).integrate(y, 1, 1e-4);
      return Math.abs((y[0] as number) - Math.exp(-3));
    }) as [number, number, number];
    expect(errors[0]).toBeLessThan(1e-4);
    expect(errors[1]).toBeLessThan(errors[0] / 50);
    expect(errors[2]).toBeLessThan(errors[1] / 50);
  });

  test("a step over a billion time constants lands on rest (L-stability)", () => {
    const y = Float64Array.from([1]);
    solverOf({ ...decay([1e9]), admissible: () => true }, 1e9, 1e-9).integrate(y, 1, 1);
    expect(Math.abs(y[0] as number)).toBeLessThan(1e-8);
  });

  test("steps grow with the cube root of the tolerance: the embedded solution is of order 2", () => {
    const calls = [1e-6, 1e-9].map((tolerance) => {
      const system = decay([3]);
      solverOf(system, tolerance, tolerance).integrate(Float64Array.from([1]), 1, 1e-3);
      return system.calls;
    }) as [number, number];
    expect(calls[1] / calls[0]).toBeGreaterThan(7);
    expect(calls[1] / calls[0]).toBeLessThan(13);
  });

  test("a fast variable that has died out costs nothing", () => {
    const system = decay([1e6, 0.01]);
    const y = Float64Array.from([1, 1]);
    const solver = solverOf(system, 1e-5, 1e-9);
    solver.integrate(y, 1, 1e-8);
    expect(y[0]).toBeLessThan(1e-9);
    expect(y[1]).toBeCloseTo(Math.exp(-0.01), 9);
    // An explicit method would need 1e6 ÷ 3 steps to be stable.
    expect(solver.steps).toBeLessThan(250);
  });
});

describe("region and limits", () => {
  test("an undershoot below the tolerance becomes zero, a larger one is refused", () => {
    const y = Float64Array.from([1]);
    // One step over 10 time constants would end at −0.33: it must be rejected, and the value must never be negative.
    const solver = solverOf(decay([10]), 1, 1e-3);
    solver.integrate(y, 1, 1);
    expect(y[0]).toBeGreaterThanOrEqual(0);
    expect(y[0]).toBeLessThan(0.05);
    for (let i = 0; i < 20; i++) solver.integrate(y, 1, 1);
    expect(y[0]).toBe(0);
    expect(Object.is(y[0], 0)).toBe(true);
  });

  test("a system that admits no step ends in a typed error that names where", () => {
    const stuck = { ...decay([1]), admissible: () => false };
    const solver = solverOf(stuck, 1e-5, 1e-9);
    const attempt = () => solver.integrate(Float64Array.from([1]), 1, 0.5);
    expect(attempt).toThrow(StepLimitError);
    expect(attempt).toThrow(`within ${MAX_STEPS_PER_QUANTUM} steps`);
    try {
      attempt();
    } catch (error) {
      expect(error).toMatchObject({ code: "SOLVER_STEP_LIMIT", retryable: false, reachedMinutes: 0 });
    }
  });

  test("a caller may allow fewer steps, and finds what was reached and what it cost", () => {
    const system = decay([1]);
    const solver = solverOf(system, 1e-8, 1e-8);
    const y = Float64Array.from([1]);
    expect(() => solver.integrate(y, 1, 1e-6, 10)).toThrow("within 10 steps");
    expect(solver.steps).toBe(10);
    expect(y[0]).toBeLessThan(1);
    expect(y[0]).toBeGreaterThan(Math.exp(-1));
    solver.integrate(Float64Array.from([1]), 1e-6, 1e-6);
    expect(solver.steps).toBe(1);
  });

  test("rates that are no numbers are never accepted", () => {
    const broken = {
      ...decay([1]),
      rates: (_: Float64Array, out: Float64Array) => void out.fill(Number.NaN),
    };
    const y = Float64Array.from([1]);
    expect(() => solverOf(broken, 1e-5, 1e-9).integrate(y, 1, 0.5)).toThrow(StepLimitError);
    expect(y[0]).toBe(1);
  });

  test("nor is a step that ends where there are no rates", () => {
    const half = decay([1]);
    const cliff: StiffSystem<Float64Array> = {
      ...half,
      calls: 0,
      rates(y: Float64Array, out: Float64Array) {
        out[0] = (y[0] as number) < 0.5 ? Number.NaN : -(y[0] as number);
      },
    } as Counted;
    const y = Float64Array.from([1]);
    expect(() => solverOf(cliff, 1e-5, 1e-9).integrate(y, 10, 0.1)).toThrow(StepLimitError);
    expect(y[0]).toBeGreaterThanOrEqual(0.5);
  });

  test("no step is longer than the call, and the step returned is where the next call goes on", () => {
    const system = decay([0.001]);
    const solver = solverOf(system, 1e-3, 1e-3);
    const y = Float64Array.from([1]);
    let step = 1e-3;
    for (let i = 0; i < 10; i++) step = solver.integrate(y, 1, step);
    expect(step).toBe(1);
    system.calls = 0;
    solver.integrate(y, 1, step);
    expect(solver.steps).toBe(1);
    expect(system.calls).toBe(4);
  });
});
