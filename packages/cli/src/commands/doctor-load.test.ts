/**
 * The words of `bioxen doctor` about the load of services.
 */
import type { EndpointLoad } from "@bioxen/nats";
import { expect, it } from "vitest";
import { loadFindings } from "./doctor-load.ts";

const load = (lane: EndpointLoad["lane"], more: Partial<EndpointLoad> = {}): EndpointLoad => ({
  lane,
  underWay: 0,
  waiting: 0,
  refused: { UNAVAILABLE: 0, RATE_LIMITED: 0 },
  connectionLosses: 0,
  ...more,
});
const findings = (...lanes: EndpointLoad[]) => loadFindings([{ name: "lifecycle", id: "x", lanes }]);

it("says that a service is at rest", () => {
  expect(findings(load("commands"), load("queries"))).toEqual([
    { check: "load of lifecycle", verdict: "ok", found: "nothing under way, none refused" },
  ]);
});

it("shows what is under way, waiting, refused and lost", () => {
  const commands = load("commands", {
    underWay: 64,
    waiting: 12,
    refused: { UNAVAILABLE: 5, RATE_LIMITED: 2 },
  });
  const [finding] = findings(commands, load("queries", { connectionLosses: 3 }));
  expect(finding).toEqual({
    check: "load of lifecycle",
    verdict: "ok",
    found:
      "commands 64 under way, 12 waiting, 7 refused (UNAVAILABLE 5, RATE_LIMITED 2); 3 connections for requests lost",
  });
});

it("warns while many requests wait, with a remedy", () => {
  const [finding] = findings(load("queries", { underWay: 64, waiting: 1_000 }));
  expect(finding).toMatchObject({ verdict: "warn", remedy: expect.stringContaining("BIOXEN_CALLER_LIMIT") });
});

it("passes over instances that report no load", () => {
  expect(findings()).toEqual([]);
});
