import { expect, it } from "vitest";
import { describeRefusals } from "./vm-placement.ts";

it("names chassis with the same refusal together, in their order", () => {
  const elsewhere = { code: "UNSUPPORTED", message: "the VM asks for chassis nowhere" };
  const full = { code: "CAPACITY_EXCEEDED", message: "not enough ribosomes" };
  expect(
    describeRefusals([
      { chassisId: "a", ...elsewhere },
      { chassisId: "b", ...full },
      { chassisId: "c", ...elsewhere },
      { chassisId: null, ...full },
    ]),
  ).toBe(
    "a, c: UNSUPPORTED: the VM asks for chassis nowhere; b, cluster: CAPACITY_EXCEEDED: not enough ribosomes",
  );
  expect(describeRefusals([])).toBe("");
});
