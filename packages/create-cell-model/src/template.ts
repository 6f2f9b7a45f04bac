/** The files of a new package. They are plain text here, so that the compiled package needs no other file. */

/** Returns the text of each file by its path, for a model of this name. */
export function filesOf(name: string): Readonly<Record<string, string>> {
  return {
    "package.json": `${JSON.stringify(manifestOf(name), undefined, 2)}\n`,
    "index.js": modelOf(name),
    "test/model.test.js": TEST,
  };
}

function manifestOf(name: string) {
  return {
    name,
    version: "0.1.0",
    private: true,
    type: "module",
    exports: "./index.js",
    scripts: { test: "vitest run" },
  };
}

function modelOf(name: string): string {
  return `/**
 * A cell model: a cell that grows on glucose (Monod 1949), as fast as its share of ATP allows, and divides when it has
 * doubled. BioXen checks every value against the declarations below before the model gets it.
 *
 * Equal inputs must give equal bits on every machine, so only + - * / and comparisons are used here.
 */

/** ATP with which the cell grows at its full rate, molecules per second. */
const FULL_ATP = 10_000;

export const cellModel = {
  name: ${JSON.stringify(name)},
  // Increase it with each change after which equal inputs give another cell.
  version: 1,
  description: "A cell that grows on glucose and divides when it has doubled.",

  // config.parameters of a VM
  parameters: [
    {
      name: "maxGrowthPerMinute",
      unit: "1/min",
      range: [0, 0.1],
      default: 0.02,
      description: "Growth rate without a limit.",
    },
    {
      name: "halfSaturation",
      unit: "mmol/L",
      range: [0.001, 100],
      default: 1,
      description: "Glucose at half of the maximum growth rate.",
    },
  ],
  // environment of a VM, of a schedule, and of cell.set_environment in Lua
  environment: [
    { name: "glucose", unit: "mmol/L", range: [0, 1_000], default: 10, description: "Glucose in the medium." },
  ],
  // outputs of a sample: in telemetry, time courses, \`vm show\` and cell.outputs() in Lua
  outputs: [
    { name: "size", unit: "1", range: [1, 2], default: 1, description: "Size, of that of a newborn cell." },
  ],
  // config.parameterSet of a VM; "default" always exists
  parameterSets: [
    { name: "slow", description: "A slow grower.", parameters: { maxGrowthPerMinute: 0.01 } },
  ],
  biologicalTypes: [{ name: "ecoli", fullDemand: { atpPerSecond: FULL_ATP } }],
  limitedBy: ["atpPerSecond"],

  boot: ({ parameters, allocation, environment }) =>
    new GrowingCell({ parameters, allocation, environment, size: 1, divisions: 0, simMinutes: 0 }),

  // A snapshot comes from outside, so its own fields are checked; BioXen has checked the parameters.
  restore(snapshot) {
    const problems = ["size", "divisions", "simMinutes"]
      .filter((field) => !Number.isFinite(snapshot[field]) || snapshot[field] < 0)
      .map((field) => \`\${field}: is not a number of 0 or more\`);
    for (const field of ["allocation", "environment"]) {
      if (typeof snapshot[field] !== "object" || snapshot[field] === null) problems.push(\`\${field}: is not an object\`);
    }
    if (problems.length > 0) throw new RangeError(problems.join("; "));
    return new GrowingCell(snapshot);
  },
};

class GrowingCell {
  constructor({ parameters, allocation, environment, size, divisions, simMinutes }) {
    Object.assign(this, { parameters, allocation, environment, size, divisions, simMinutes });
  }

  share() {
    return Math.min(1, (this.allocation.atpPerSecond ?? 0) / FULL_ATP);
  }

  growthRate() {
    const { maxGrowthPerMinute, halfSaturation } = this.parameters;
    const { glucose } = this.environment;
    return (maxGrowthPerMinute * this.share() * glucose) / (halfSaturation + glucose);
  }

  /** Computes whole minutes. Returns the divisions in them. */
  advance(minutes) {
    const before = this.divisions;
    for (let minute = 0; minute < minutes; minute += 1) {
      const rate = this.growthRate();
      // The first terms of e^rate: the error of a minute is below 5e-6 at the largest rate.
      this.size *= 1 + rate + (rate * rate) / 2 + (rate * rate * rate) / 6;
      if (this.size >= 2) {
        this.size /= 2;
        this.divisions += 1;
      }
      this.simMinutes += 1;
    }
    return this.divisions - before;
  }

  sample() {
    const rate = this.growthRate();
    return {
      simMinutes: this.simMinutes,
      growthRatePerMinute: rate,
      doublingTimeMinutes: rate === 0 ? null : Math.LN2 / rate,
      divisions: this.divisions,
      health: Math.round(100 * this.share()),
      outputs: { size: this.size },
    };
  }

  setAllocation(allocation) {
    this.allocation = allocation;
  }

  setEnvironment(environment) {
    this.environment = environment;
  }

  /** Plain JSON from which \`restore\` makes a cell that continues exactly like this one. */
  snapshot() {
    const { allocation, environment, size, divisions, simMinutes } = this;
    return { allocation, environment, size, divisions, simMinutes };
  }
}
`;
}

const TEST = `import { cellModelContract } from "@bioxen/testkit/extensions";
import { expect, it } from "vitest";
import { cellModel } from "../index.js";

// What BioXen requires of every cell model.
cellModelContract(cellModel);

// What this model claims.
it("grows at half of its rate with half of its glucose constant", () => {
  const parameters = { maxGrowthPerMinute: 0.02, halfSaturation: 5 };
  const allocation = { atpPerSecond: 10_000 };
  const cell = cellModel.boot({ parameters, allocation, environment: { glucose: 5 } });
  expect(cell.sample().growthRatePerMinute).toBeCloseTo(0.01, 12);
});
`;
