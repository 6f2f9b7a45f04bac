import { describe, expect, it } from "vitest";
import {
  agentsOf,
  leftFinding,
  leftLine,
  overcommittedFinding,
  overcommittedWords,
  twinFindings,
  waitingLines,
} from "./agents.ts";

const instance = (agentId: string | null, pid: number | null, waiting: string | null = null) => ({
  name: "chassis-agent",
  id: `i${pid}`,
  version: "1.0.0",
  url: null,
  process: pid === null ? null : { host: "h", pid },
  agentId,
  waiting,
});

describe("the processes of agents", () => {
  it("are healthy while every id has one", () => {
    const agents = agentsOf([instance("b", 2), instance("a", 1), instance(null, 3)]);
    expect(agents.map(({ agentId }) => agentId)).toEqual(["a", "b"]);
    expect(twinFindings(agents)).toEqual([]);
    expect(waitingLines(agents)).toEqual([]);
  });

  it("fail the check when an id has two: the finding names each process and the remedy", () => {
    const agents = agentsOf([instance("a", 1), instance("a", 2, "agent a is run by 1"), instance("b", 4)]);
    expect(twinFindings(agents)).toEqual([
      {
        check: "agent a",
        verdict: "fail",
        found: "2 processes have this id: 1 on h runs it, 2 on h waits",
        remedy: "stop all but one of them, or give each another BIOXEN_AGENT_ID",
      },
    ]);
    expect(waitingLines(agents)).toEqual(["agent a: 2 on h waits: agent a is run by 1"]);
  });

  it("are counted when a process does not name itself", () => {
    const [finding] = twinFindings(agentsOf([instance("a", null), instance("a", 2, "taken")]));
    expect(finding?.found).toBe("2 processes have this id: an unnamed process runs it, 2 on h waits");
  });
});

it("an object that a pool keeps is a warning with the reason; the remedy depends on whether the agent still tries", () => {
  const left = { vmId: "x1", kind: "disk", uuid: "u1", tries: 1, reason: "VDI_IN_USE" } as const;
  expect(leftFinding({ ...left, nextTryAtMs: 1 })).toEqual({
    check: "pool, x1",
    verdict: "warn",
    found: "the pool keeps the disk u1 after 1 try to remove it: VDI_IN_USE",
    remedy: "wait: the agent tries again",
  });
  expect(leftFinding({ ...left, tries: 11 })).toMatchObject({
    found: "the pool keeps the disk u1 after 11 tries to remove it: VDI_IN_USE",
    remedy: "no further try: remove it in the pool",
  });
  const kept = "the pool keeps the disk u1 after";
  expect(leftLine({ ...left, nextTryAtMs: 1 })).toBe(
    `${kept} 1 try to remove it: VDI_IN_USE; wait: the agent tries again`,
  );
  expect(leftLine({ ...left, tries: 11 })).toBe(
    `${kept} 11 tries to remove it: VDI_IN_USE; no further try: remove it in the pool`,
  );
});

it("a pool whose high availability is overcommitted is named with both numbers and the remedy", () => {
  expect(overcommittedFinding({ chassisId: "xcpng-1", toTolerate: 2, planned: 1 })).toEqual({
    check: "pool xcpng-1",
    verdict: "warn",
    found: "its high availability is overcommitted: it is to tolerate 2 failed hosts, and has a plan for 1",
    remedy: "add a host, stop protected machines, or lower ha-host-failures-to-tolerate of the pool",
  });
  expect(overcommittedWords({ chassisId: "xcpng-1", toTolerate: 2, planned: 1 })).toBe(
    "xcpng-1: its high availability is overcommitted: it is to tolerate 2 failed hosts, and has a plan for 1: add a host, stop protected machines, or lower ha-host-failures-to-tolerate of the pool",
  );
});
