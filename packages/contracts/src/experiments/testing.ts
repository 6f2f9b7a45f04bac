/** The experiment of the contract, for tests. */
export const GROWTH_LAW = {
  experiment: "growth-law",
  base: { biologicalType: "ecoli", config: { parameterSet: "weisse-2015" } },
  sweep: {
    "environment.nutrientQuality": [0.08, 0.5],
    "resources.ribosomes": ["50%", "100%"],
  },
  replicates: 2,
  seed: 1,
  untilMinute: 600,
  record: { everyMinutes: 10 },
  keep: false,
};
