import { describe, expect, it } from "vitest";
import { ENDPOINTS } from "./catalogue.ts";
import { type Endpoint, problemsOf } from "./endpoint.ts";
import { NO_FIELD } from "./problem.ts";

function problemsIn(endpoint: Endpoint, request: unknown) {
  const parsed = endpoint.request.safeParse(request);
  return Object.fromEntries(
    (parsed.success ? [] : problemsOf(parsed.error, endpoint.request)).map((p) => [p.path, p.message]),
  );
}

const meant = (path: string) => `${NO_FIELD}: did you mean ${path}?`;

describe("an unknown field of a request", () => {
  it("is named with its path and the field that was probably meant, at every depth", () => {
    const request = {
      biological_type: "syn3a",
      biologicalType: "syn3a",
      ribosomes: 100,
      atp_per_second: 1,
      resources: { ribosome: 1, magic: 2 },
      placement: { affinity: [{ label: { a: "b" }, vmIds: ["x"] }] },
      restartPolicy: { mode: "never", backoff: 1 },
      surprise: true,
    };
    expect(problemsIn(ENDPOINTS.vmCreate, request)).toEqual({
      biological_type: meant("biologicalType"),
      ribosomes: meant("resources.ribosomes"),
      atp_per_second: meant("resources.atpPerSecond"),
      "resources.ribosome": meant("resources.ribosomes"),
      "resources.magic": NO_FIELD,
      "placement.affinity.0.label": meant("placement.affinity.0.labels"),
      "restartPolicy.backoff": meant("restartPolicy.backoffMs"),
      surprise: NO_FIELD,
    });
  });

  it("is named in a request that has two forms", () => {
    expect(problemsIn(ENDPOINTS.placementPlan, { biologicalType: "syn3a", vcpu: 2 })).toEqual({
      vcpu: NO_FIELD,
    });
    expect(problemsIn(ENDPOINTS.placementPlan, { biologicalType: "syn3a", vcpus: 2 })).toEqual({
      vcpus: meant("resources.vcpus"),
    });
  });

  it("is named in every command and query of the catalogue", () => {
    for (const [name, endpoint] of Object.entries(ENDPOINTS)) {
      const parsed = endpoint.request.safeParse({ "no such field": 1 });
      expect(parsed.success, name).toBe(false);
    }
  });

  it("costs little, however many there are", () => {
    const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`biologicalTyp${i}`, i]));
    const problems = Object.values(problemsIn(ENDPOINTS.vmCreate, many)).filter((p) => p.includes("did you"));
    expect(problems.length).toBeLessThanOrEqual(16);
    expect(problems.length).toBeGreaterThan(0);
  });
});
