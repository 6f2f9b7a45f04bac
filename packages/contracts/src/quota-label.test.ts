import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ownerOfQuota, quotaIdOf, quotaLabelOf, quotaLabelsOf, recordedQuotaLabel } from "./quota-label.ts";
import { quotaLabel } from "./schemas.ts";

describe("the token of a quota's label", () => {
  it("is the label itself where the label is a valid token", () => {
    expect(["team", "team-a", "a1-b2-c3"].map(quotaIdOf)).toEqual(["team", "team-a", "a1-b2-c3"]);
    expect(quotaIdOf("team=Red")).toBe("team--3d52-ed");
    expect(quotaIdOf("a--b")).toBe("a--2d2d-b");
  });

  it("is one subject token and decodes to its label, for any label", () => {
    const letters = fc.constantFrom(..."ab09-=A./é😀 ");
    const label = fc.array(letters, { minLength: 1, maxLength: 40 }).map((all) => all.join(""));
    fc.assert(
      fc.property(label, (text) => {
        expect(quotaIdOf(text)).toMatch(/^[a-z0-9-]+$/);
        expect(quotaLabelOf(quotaIdOf(text))).toBe(text);
      }),
    );
  });

  it("a VM is subject to the quotas of its label names and of its name=value pairs", () => {
    expect(quotaLabelsOf({ team: "a", tier: "" }, undefined)).toEqual(["team", "team=a", "tier", "tier="]);
    expect(quotaLabelsOf({}, undefined)).toEqual([]);
  });

  it("a VM is subject to the quota of its owner, which no label of a VM can name", () => {
    const own = recordedQuotaLabel({ owner: "alice" });
    expect(quotaLabelsOf({ team: "a" }, "alice")).toEqual([own, "team", "team=a"]);
    expect(quotaLabel.safeParse(own).success).toBe(false);
    expect(ownerOfQuota(own)).toBe("alice");
    expect(ownerOfQuota("team=a")).toBeUndefined();
    expect(quotaLabelOf(quotaIdOf(own))).toBe(own);
  });

  it.each(["", "=a", "-x", "a b=c", `${"n".repeat(64)}=1`, `n=${"v".repeat(64)}`, "n=\ud800"])(
    "%j is not a valid label of a quota",
    (label) => {
      expect(quotaLabel.safeParse(label).success).toBe(false);
    },
  );
  it.each(["team", "team=", "tenant/x=ü", `${"n".repeat(63)}=${"v".repeat(63)}`])(
    "%j is a valid label of a quota",
    (label) => {
      expect(quotaLabel.safeParse(label).success).toBe(true);
    },
  );
});
