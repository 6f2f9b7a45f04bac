/**
 * The words of `status` and `doctor` about instances that leave the requests to a newer release.
 */
import { expect, it } from "vitest";
import { standByFindings, standByLine, standBysOf } from "./stand-bys.ts";

const WAITING = "event 7 was written by a newer BioXen, and version 2.0.0 of lifecycle serves: this is 1.0.0";
const instance = (waiting: string | null, agentId: string | null = null) => ({
  name: "lifecycle",
  id: "i",
  version: "1.0.0",
  url: null,
  process: { host: "h", pid: 4711 },
  agentId,
  waiting,
});

it("an instance that stands by is named with its process and the reason", () => {
  const standBys = standBysOf([instance(null), instance(WAITING)]);
  expect(standBys.map(standByLine)).toEqual([`lifecycle 4711 stands by: ${WAITING}`]);
  expect(standByFindings(standBys)).toEqual([
    {
      check: "lifecycle",
      verdict: "warn",
      found: `lifecycle 4711 stands by: ${WAITING}`,
      remedy: "replace it by the newer release",
    },
  ]);
});

it("instances that serve, and agents that wait for their id, do not stand by", () => {
  expect(standBysOf([instance(null), instance("agent a is run by another", "a")])).toEqual([]);
});
