/**
 * Several releases that run beside each other are listed in the order of their numbers, and are a finding.
 */
import { describe, expect, it } from "vitest";
import { versionFindings, versionsOf } from "./versions.ts";

describe("releases", () => {
  it("are listed once each, the oldest first", () => {
    const running = ["0.10.0", "0.2.0", "0.10.0", "0.9.1"].map((version) => ({ version }));
    expect(versionsOf(running)).toEqual(["0.2.0", "0.9.1", "0.10.0"]);
  });

  it("are a finding only when one differs from that of the command", () => {
    const monitor = { name: "monitor", versions: ["0.2.0"] };
    expect(versionFindings([monitor, { name: "allocator", versions: [] }], "0.2.0")).toEqual([]);
    const [finding] = versionFindings(
      [monitor, { name: "allocator", versions: ["0.1.0", "0.2.0"] }],
      "0.2.0",
    );
    expect(finding).toMatchObject({
      verdict: "warn",
      found: "this command is 0.2.0; allocator 0.1.0 and 0.2.0",
    });
    expect(versionFindings([monitor], "0.1.0")).toHaveLength(1);
  });
});
