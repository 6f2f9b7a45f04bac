/** What a schedule records, and what is left of it for a guest that begins at a minute. */
import { expect, it } from "vitest";
import { scheduledFrom } from "./fold/vm-changes.ts";
import { FULL_DEMAND } from "./resources.ts";
import { partsOfCells, recordedSchedule, scheduleProblems } from "./schedule.ts";

const TYPES = { biologicalType: "syn3a", vmType: "basic" } as const;
const FULL = FULL_DEMAND.syn3a;
const SCHEDULE = [
  { atMinute: 90, resources: { ribosomes: "50%" }, environment: { substrate: 5_000 } },
  { atMinute: 30, resources: { ribosomes: 400, atpPerSecond: 9_000 } },
  { atMinute: 60, environment: { nutrientQuality: 0.2 } },
];
const INITIAL = { ...FULL, ribosomes: 300 };
const at30 = { ...FULL, ribosomes: 400, atpPerSecond: 9_000 };
const at90 = { ...at30, ribosomes: 252 };

it("records all amounts in the order of the minutes, and requests the largest of each resource", () => {
  expect(recordedSchedule(TYPES, INITIAL, SCHEDULE)).toEqual({
    schedule: [
      { atMinute: 0, allocation: INITIAL },
      { atMinute: 30, allocation: at30 },
      { atMinute: 60, environment: { nutrientQuality: 0.2 } },
      { atMinute: 90, environment: { substrate: 5_000 }, allocation: at90 },
    ],
    request: { ...FULL, ribosomes: 400 },
  });
  const medium = [{ atMinute: 5, environment: { substrate: 1 } }];
  expect(recordedSchedule(TYPES, INITIAL, medium)).toEqual({ schedule: medium, request: INITIAL });
  expect(recordedSchedule(TYPES, INITIAL, [])).toEqual({ schedule: undefined, request: INITIAL });
});

it("leaves the entries of the minute and of later ones, with the amounts from before", () => {
  const { schedule } = recordedSchedule(TYPES, INITIAL, SCHEDULE);
  const left = (minute: number) => {
    const { changes = [], allocationCourse } = scheduledFrom({ schedule }, minute);
    return { changes: changes.map(({ seq, simMinute }) => [seq, simMinute]), ...allocationCourse };
  };
  const [before, later] = [
    { before: INITIAL, atCheckpoint: INITIAL },
    { before: at30, atCheckpoint: at30 },
  ];
  expect(left(0)).toEqual({
    changes: [
      [-4, 0],
      [-3, 30],
      [-2, 60],
      [-1, 90],
    ],
    ...before,
  });
  expect(left(30)).toEqual({
    changes: [
      [-3, 30],
      [-2, 60],
      [-1, 90],
    ],
    ...before,
  });
  expect(left(31)).toEqual({
    changes: [
      [-2, 60],
      [-1, 90],
    ],
    ...later,
  });
  expect(left(91)).toEqual({ changes: [], before: at90, atCheckpoint: at90 });
  expect(scheduledFrom({ schedule: undefined }, 0)).toEqual({});
});

it("names every problem that the schema does not show", () => {
  const schedule = [...SCHEDULE, { atMinute: 99, resources: { vcpus: 1, dnaKilobases: 5 } }];
  expect(scheduleProblems({ ...TYPES, schedule, burst: {}, guarantee: {} }).map(({ path }) => path)).toEqual([
    "schedule.3.resources.vcpus",
    "schedule.3.resources.dnaKilobases",
    "guarantee",
    "burst",
  ]);
  expect(scheduleProblems({ ...TYPES, schedule: [{ atMinute: 1, environment: {} }], burst: {} })).toEqual([]);
});

it("names what only cells have", () => {
  const parts = { schedule: SCHEDULE, record: { everyMinutes: 1 } };
  expect(partsOfCells({ vmType: "basic", ...parts })).toEqual([]);
  expect(partsOfCells({ vmType: "xcpng", schedule: [] })).toEqual([]);
  const message = "is for cells: a VM of type xcpng has no simulated time";
  expect(partsOfCells({ vmType: "xcpng", ...parts })).toEqual([
    { path: "schedule", message },
    { path: "record", message },
  ]);
});
