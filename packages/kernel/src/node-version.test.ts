import { expect, it } from "vitest";
import { nodeProblem, OLDEST_NODE } from "./node-version.ts";

it("names the Node.js that is needed, for an older one only", () => {
  for (const old of ["18.20.0", "20.20.2", "22.14.0"]) {
    expect(nodeProblem(old)).toBe(`BioXen needs Node.js ${OLDEST_NODE} or newer, and this is Node.js ${old}`);
  }
  for (const supported of [OLDEST_NODE, "22.22.0", "24.21.0", undefined]) {
    expect(nodeProblem(supported)).toBeUndefined();
  }
});
