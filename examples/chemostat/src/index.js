/**
 * A complete cell model in plain JavaScript, without any dependency: a culture in a chemostat (Monod 1950).
 *
 * Fresh medium flows in at the dilution rate D, and culture flows out. Biomass X and substrate S follow
 *
 *   dX/dt = (μ − D)·X        dS/dt = D·(S_feed − S) − μ·X/Y        μ = μ_max · S/(K + S) · share of ATP
 *
 * At rest the culture grows as fast as it is diluted (μ = D), or is washed out. A new culture starts at rest.
 *
 * The driver checks every value against the declarations below before the model sees it. Only + − × ÷ and comparisons are
 * used, so that equal inputs give equal bits on every machine.
 */

const FULL_ATP = 100_000;
/** Steps of one minute. At the largest rates, the error of a minute is then below 1e-6 of the biomass. */
const STEPS_PER_MINUTE = 20;
/** The least biomass of a new culture, g/L: an inoculum. */
const INOCULUM = 0.001;
const { LN2 } = Math;

const parameters = [
  {
    name: "dilutionPerMinute",
    unit: "1/min",
    range: [0, 0.1],
    default: 0.003,
    description: "Flow of fresh medium per volume of the culture.",
  },
  {
    name: "maxGrowthPerMinute",
    unit: "1/min",
    range: [0, 0.1],
    default: 0.012,
    description: "Growth rate without a limit.",
  },
  {
    name: "halfSaturation",
    unit: "g/L",
    range: [1e-6, 100],
    default: 0.1,
    description: "Substrate at half of the maximum growth rate.",
  },
  {
    name: "yield",
    unit: "g/g",
    range: [0.01, 1],
    default: 0.5,
    description: "Biomass that grows from one gram of substrate.",
  },
];
const environment = [
  {
    name: "feed",
    unit: "g/L",
    range: [0, 1_000],
    default: 10,
    description: "Substrate in the fresh medium.",
  },
];

/** The culture at rest with these values; its biomass is at least the inoculum. */
function atRest({ dilutionPerMinute, maxGrowthPerMinute, halfSaturation, yield: perSubstrate }, feed, share) {
  const most = maxGrowthPerMinute * share;
  const substrate =
    most > dilutionPerMinute ? (halfSaturation * dilutionPerMinute) / (most - dilutionPerMinute) : feed;
  if (substrate >= feed) return { biomass: INOCULUM, substrate: feed };
  return { biomass: Math.max(INOCULUM, perSubstrate * (feed - substrate)), substrate };
}

const presets = Object.fromEntries(parameters.map((one) => [one.name, one.default]));
const newborn = atRest(presets, environment[0].default, 1);

export const cellModel = {
  name: "chemostat",
  version: 1,
  description: "A culture in a chemostat: Monod growth on one substrate, diluted at a constant rate.",
  parameters,
  environment,
  outputs: [
    {
      name: "biomass",
      unit: "g/L",
      range: [0, 1_000],
      default: newborn.biomass,
      description: "Dry biomass.",
    },
    {
      name: "substrate",
      unit: "g/L",
      range: [0, 1_000],
      default: newborn.substrate,
      description: "Substrate left in the culture.",
    },
    {
      name: "productivity",
      unit: "g/L/min",
      range: [0, 100],
      default: newborn.biomass * presets.dilutionPerMinute,
      description: "Biomass that flows out per volume.",
    },
  ],
  parameterSets: [
    { name: "default", description: "A bacterium on glucose." },
    {
      name: "slow",
      description: "A slow grower.",
      parameters: { maxGrowthPerMinute: 0.004 },
      fullDemand: { atpPerSecond: FULL_ATP / 2 },
    },
  ],
  biologicalTypes: [{ name: "ecoli", fullDemand: { atpPerSecond: FULL_ATP } }],
  limitedBy: ["atpPerSecond"],

  boot: (options) => {
    const { feed } = options.environment;
    const { biomass, substrate } = atRest(options.parameters, feed, shareOf(options));
    return new Culture({ ...options, biomass, substrate, generations: 0, divisions: 0, simMinutes: 0 });
  },
  restore(snapshot) {
    const problems = ["biomass", "substrate", "generations", "divisions", "simMinutes"].flatMap((name) =>
      Number.isFinite(snapshot[name]) && snapshot[name] >= 0 ? [] : [`${name}: is not a number of 0 or more`],
    );
    for (const name of ["allocation", "environment"]) {
      if (typeof snapshot[name] !== "object" || snapshot[name] === null)
        problems.push(`${name}: is not an object`);
    }
    if (problems.length > 0) throw new RangeError(problems.join("; "));
    return new Culture(snapshot);
  },
};

/** The share of its full demand of ATP that the culture has. */
function shareOf({ allocation, parameterSet }) {
  const full = parameterSet === "slow" ? FULL_ATP / 2 : FULL_ATP;
  return Math.min(1, (allocation.atpPerSecond ?? 0) / full);
}

class Culture {
  constructor({ parameters: values, parameterSet, allocation, environment: medium, ...state }) {
    const { biomass, substrate, generations, divisions, simMinutes } = state;
    this.parameters = values;
    this.parameterSet = parameterSet;
    this.allocation = allocation;
    this.environment = medium;
    this.biomass = biomass;
    this.substrate = substrate;
    /** ∫μ dt since the last division; a doubling is ln 2. */
    this.generations = generations;
    this.divisions = divisions;
    this.simMinutes = simMinutes;
  }

  growthRate(substrate = this.substrate) {
    const { maxGrowthPerMinute, halfSaturation } = this.parameters;
    return (maxGrowthPerMinute * shareOf(this) * substrate) / (halfSaturation + substrate);
  }

  advance(minutes) {
    const before = this.divisions;
    for (let minute = 0; minute < minutes; minute += 1) {
      for (let step = 0; step < STEPS_PER_MINUTE; step += 1) this.step(1 / STEPS_PER_MINUTE);
      this.simMinutes += 1;
    }
    return this.divisions - before;
  }

  /** One step of the linearly implicit Euler method: no step makes an amount negative. */
  step(dt) {
    const { dilutionPerMinute, maxGrowthPerMinute, halfSaturation, yield: perSubstrate } = this.parameters;
    const { feed } = this.environment;
    const uptake =
      (maxGrowthPerMinute * shareOf(this) * this.biomass) / (halfSaturation + this.substrate) / perSubstrate;
    const substrate =
      (this.substrate + dt * dilutionPerMinute * feed) / (1 + dt * (dilutionPerMinute + uptake));
    const rate = this.growthRate(substrate);
    this.biomass = (this.biomass * (1 + dt * rate)) / (1 + dt * dilutionPerMinute);
    this.substrate = substrate;
    this.generations += dt * rate;
    while (this.generations >= LN2) {
      this.generations -= LN2;
      this.divisions += 1;
    }
  }

  sample() {
    const rate = this.growthRate();
    const most = this.parameters.yield * this.environment.feed;
    return {
      simMinutes: this.simMinutes,
      growthRatePerMinute: rate,
      doublingTimeMinutes: rate === 0 ? null : LN2 / rate,
      divisions: this.divisions,
      health: most === 0 ? 0 : Math.round(100 * Math.min(1, this.biomass / most)),
      outputs: {
        biomass: this.biomass,
        substrate: this.substrate,
        productivity: this.biomass * this.parameters.dilutionPerMinute,
      },
    };
  }

  setAllocation(allocation) {
    this.allocation = allocation;
  }

  setEnvironment(medium) {
    this.environment = medium;
  }

  snapshot() {
    const { allocation, biomass, substrate, generations, divisions, simMinutes } = this;
    return {
      allocation,
      environment: this.environment,
      biomass,
      substrate,
      generations,
      divisions,
      simMinutes,
    };
  }
}
