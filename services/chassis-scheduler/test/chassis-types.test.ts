/**
 * Chassis types from data files.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BUILT_IN_CHASSIS_TYPES, chassisTypesWith, parseChassisType } from "@bioxen/contracts";
import { readChassisTypes } from "@bioxen/service-host";
import { afterEach, beforeEach, expect, it } from "vitest";
import { registrationOf } from "../src/domain/registration.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "bioxen-types-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const of = (value: number) => ({ value, unit: "units", source: "chosen limit" });
const ALGA = {
  name: "alga",
  hosts: "basic",
  capacity: {
    ribosomes: of(1_000),
    rnaPolymerases: of(100),
    atpPerSecond: of(5_000),
    dnaKilobases: of(900),
  },
  overheadPermille: of(50),
  maxVms: of(3),
};
const request = { chassisId: "c", chassisType: "alga", labels: {}, taints: [], agentId: "a" };

it("a type is read from the directory, and a chassis of that type is registered with its amounts", () => {
  writeFileSync(join(directory, "alga.json"), JSON.stringify(ALGA));
  const types = chassisTypesWith(readChassisTypes(directory));
  expect(registrationOf(request, types)).toEqual({
    registration: {
      chassisType: "alga",
      capacity: { atpPerSecond: 5_000, dnaKilobases: 900, ribosomes: 1_000, rnaPolymerases: 100 },
      overheadPermille: 50,
      maxVms: 3,
      labels: {},
      agentId: "a",
    },
  });
  expect(registrationOf(request)).toMatchObject({ problems: [{ path: "chassisType" }] });
});

it("all problems of all files are reported at once, and a duplicate name is rejected", () => {
  writeFileSync(join(directory, "a.json"), "{");
  writeFileSync(
    join(directory, "b.json"),
    JSON.stringify({ ...ALGA, maxVms: of(-1), capacity: { vcpus: of(1) } }),
  );
  expect(() => readChassisTypes(directory)).toThrow(
    /a\.json: .*\nb\.json: .*maxVms\.value.*capacity\.vcpus is not a resource.*capacity\.ribosomes is missing/s,
  );
  const again = parseChassisType("x.json", { ...ALGA, name: "yeast" });
  expect(() => chassisTypesWith([again])).toThrow("defined twice: yeast");
  expect(() => readChassisTypes(join(directory, "nowhere"))).toThrow(/cannot read chassis types/);
});

it("the built-in types are complete", () => {
  expect(Object.keys(BUILT_IN_CHASSIS_TYPES)).toEqual(["ecoli", "yeast", "orthogonal", "xcpng"]);
  expect(BUILT_IN_CHASSIS_TYPES.ecoli).toMatchObject({ overheadPermille: 150, maxVms: 64 });
});
