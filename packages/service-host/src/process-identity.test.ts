import { spawn } from "node:child_process";
import { once } from "node:events";
import { hostname } from "node:os";
import { describe, expect, it } from "vitest";
import { hasEnded, type ProcessTable, processIds, systemProcesses } from "./process-identity.ts";

const table = (processes: Record<number, { state: string; startedAt: string } | "hidden">): ProcessTable => ({
  space: "boot.1",
  exists: (pid) => processes[pid] !== undefined,
  look: (pid) => {
    const seen = processes[pid];
    return seen === "hidden" ? undefined : seen;
  },
});

describe("the id of a process", () => {
  it("names host and process, and differs each time", () => {
    const ids = processIds();
    const [host, pid] = ids.next().split("/");
    expect([host, pid]).toEqual([hostname(), String(process.pid)]);
    expect(ids.next()).not.toBe(ids.next());
  });

  it("shows that its process has ended only where that is certain", () => {
    const here = table({
      7: { state: "S", startedAt: "500" },
      8: { state: "Z", startedAt: "500" },
      9: "hidden",
    });
    expect(hasEnded("a/7/boot.1:500/x", here), "it runs").toBe(false);
    expect(hasEnded("a/6/boot.1:500/x", here), "no process has its number").toBe(true);
    expect(hasEnded("a/7/boot.1:400/x", here), "another process has its number now").toBe(true);
    expect(hasEnded("a/8/boot.1:500/x", here), "a zombie does nothing more").toBe(true);
    expect(hasEnded("a/9/boot.1:500/x", here), "a process of another user is hidden").toBe(false);
    expect(hasEnded("a/6/boot.2:500/x", here), "another boot, host or container").toBe(false);
    expect(hasEnded("a/6/unknown/x", here), "a system without these facts").toBe(false);
    expect(hasEnded("a/6/x", here), "the id of an older version").toBe(false);
    expect(hasEnded("nonsense", here)).toBe(false);
    expect(hasEnded("a/6/boot.1:500/x", { ...here, space: undefined })).toBe(false);
  });

  it.skipIf(systemProcesses.space === undefined)(
    "tells a running child from one that was killed",
    async () => {
      const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
      await once(child, "spawn");
      const { pid = 0 } = child;
      const startedAt = systemProcesses.look(pid)?.startedAt;
      const id = `${hostname()}/${pid}/${systemProcesses.space}:${startedAt}/x`;
      expect(hasEnded(id)).toBe(false);
      expect(hasEnded(processIds().next())).toBe(false);
      child.kill("SIGKILL");
      await once(child, "exit");
      expect(hasEnded(id)).toBe(true);
    },
  );
});
