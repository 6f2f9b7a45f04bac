import { describe, expect, it } from "vitest";
import { accessOf } from "./access.ts";
import { ENDPOINTS } from "./endpoints/catalogue.ts";
import { type Identity, mappedParts, mappedSubject, principalOf, servedSubjects } from "./identities.ts";

const ALICE: Identity = { role: "tenant", name: "alice" };
const AGENT: Identity = { role: "agent", name: "local" };

describe("a mapped subject", () => {
  it.each([
    [ALICE, "bioxen.cmd.vm.create", "bioxen.as.tenant.alice.cmd.vm.create"],
    [ALICE, "bioxen.job.vm.create", "bioxen.as.tenant.alice.job.vm.create"],
    [AGENT, "bioxen.cmd.vm.report", "bioxen.from.local.cmd.vm.report"],
    [{ role: "admin", name: "admin" } as const, "bioxen.qry.vm.list", "bioxen.as.admin.admin.qry.vm.list"],
  ])("of %j on %s is %s, and leads back", (identity, subject, mapped) => {
    expect(mappedSubject(identity, subject)).toBe(mapped);
    expect(mappedParts(mapped)).toEqual({ identity, subject });
  });

  it("is the public subject for services and anonymous callers", () => {
    expect(mappedSubject({ role: "service", name: "lifecycle" }, "bioxen.cmd.vm.move")).toBe(
      "bioxen.cmd.vm.move",
    );
  });

  it.each([
    "bioxen.cmd.vm.create",
    "bioxen.as.service.lifecycle.cmd.vm.create",
    "bioxen.as.anonymous.anonymous.cmd.vm.create",
    "bioxen.as.tenant.alice",
    "bioxen.as.tenant.Alice.cmd.vm.create",
    "bioxen.as.tenant.*.cmd.vm.create",
    "bioxen.from.local",
    "x.bioxen.as.admin.admin.cmd.vm.create",
  ])("is not %s", (subject) => expect(mappedParts(subject)).toBeUndefined());

  it("refuses a name that would be several tokens", () => {
    expect(() => mappedSubject({ role: "tenant", name: "alice.cmd" }, "bioxen.cmd.vm.create")).toThrow(
      "is an id",
    );
  });
});

describe("the subjects of an endpoint", () => {
  it("are the public one on an open stack", () => {
    expect(servedSubjects("bioxen.cmd.vm.report", "open", true)).toEqual(["bioxen.cmd.vm.report"]);
  });

  it("are one for each kind of caller on a server with keys", () => {
    expect(servedSubjects("bioxen.cmd.vm.report", "mapped", true)).toEqual([
      "bioxen.cmd.vm.report",
      "bioxen.as.*.*.cmd.vm.report",
      "bioxen.from.*.cmd.vm.report",
    ]);
  });
});

describe("the principal of a caller", () => {
  it.each([
    [ALICE, "alice"],
    [AGENT, "agent:local"],
    [{ role: "service", name: "lifecycle" } as const, "service:lifecycle"],
    [{ role: "anonymous", name: "anonymous" } as const, "anonymous"],
  ])("%j is %s", (identity, principal) => expect(principalOf(identity)).toBe(principal));
});

describe("the access of a role", () => {
  const called = (role: Parameters<typeof accessOf>[0]) =>
    Object.values(ENDPOINTS).filter((endpoint) => accessOf(role, endpoint) !== "none");

  it("of an observer is every query and no command", () => {
    const queries = Object.values(ENDPOINTS).filter(({ subject }) => subject.startsWith("bioxen.qry."));
    expect(called("observer")).toEqual(queries.filter(({ internal }) => !internal));
  });

  it("of an operator is everything public but quotas and owners", () => {
    const refused = Object.values(ENDPOINTS).filter((endpoint) => accessOf("operator", endpoint) === "none");
    expect(refused.filter(({ internal }) => !internal).map(({ subject }) => subject)).toEqual([
      "bioxen.cmd.vm.transfer",
      "bioxen.cmd.quota.set",
    ]);
  });

  it("of a tenant is what it owns, never everything", () => {
    for (const endpoint of called("tenant")) expect(accessOf("tenant", endpoint)).toBe("own");
  });

  it("of the endpoints between services is for services and agents only", () => {
    const internal = Object.values(ENDPOINTS).filter((endpoint) => endpoint.internal);
    for (const endpoint of internal) {
      for (const role of ["admin", "operator", "observer", "tenant"] as const) {
        expect(accessOf(role, endpoint)).toBe("none");
      }
    }
    expect(accessOf("agent", ENDPOINTS.vmReport)).toBe("all");
    expect(accessOf("agent", ENDPOINTS.ledgerReserve)).toBe("none");
  });
});
