/**
 * The values of the monitor's metrics in known situations.
 */
import { expect, it } from "vitest";
import { FIRST_WAIT_MS, MAX_ATTEMPTS } from "../src/app/alert-deliveries.ts";
import { AlertWorld, TAKEOVER_MS } from "./alert-world.ts";

const REFUSED = { kind: "failed", reason: "HTTP 503", permanent: false } as const;

it("deliveries are counted by webhook and result, from zero", async () => {
  const world = new AlertWorld();
  world.webhookNames = ["ops", "chat"];
  await world.livingChassis("c");
  await world.runningVm("a");
  const one = await world.start();
  await world.clock.advance(TAKEOVER_MS);
  const counts = () => one.measured("bioxen_webhook_deliveries_total");
  const nothing = { taken: 0, failed: 0, given_up: 0 };
  const of = (ops: Partial<typeof nothing>, chat: Partial<typeof nothing>) =>
    Object.fromEntries(
      Object.entries({ ops, chat }).flatMap(([webhook, own]) =>
        Object.entries({ ...nothing, ...own }).map(([result, value]) => [`${webhook} ${result}`, value]),
      ),
    );
  expect(counts()).toEqual(of({}, {}));
  await one.ask("alertSetRule", {
    ruleId: "starved",
    metric: "vm.growthPermille",
    below: 800,
    severity: "warning",
  });
  // The first round posts to `ops`, then to `chat`. Only `ops` is tried again.
  world.answers.push(REFUSED, { kind: "taken" }, ...Array(MAX_ATTEMPTS - 1).fill(REFUSED));
  await world.grow({ a: 700 }, (FIRST_WAIT_MS * 2 ** MAX_ATTEMPTS) / 1_000);
  expect(counts()).toEqual(of({ failed: MAX_ATTEMPTS - 1, given_up: 1 }, { taken: 1 }));
  world.answers.push({ kind: "failed", reason: "HTTP 404", permanent: true });
  await world.grow({ a: 1_000 }, 3);
  expect(counts()).toEqual(of({ failed: MAX_ATTEMPTS - 1, given_up: 2 }, { taken: 2 }));
});

it("a series of a VM names the VM, its type, and the chassis of its last sample", async () => {
  const world = new AlertWorld();
  await world.livingChassis("c");
  await world.runningVm("a");
  const one = await world.start();
  world.sample("a", 700, { health: 70, lagMs: 1_500 });
  await world.clock.advance(1_000);
  expect(one.measured("bioxen_vm_growth_ratio")).toEqual({ "a syn3a c": 0.7 });
  expect(one.measured("bioxen_vm_lag_seconds")).toEqual({ "a syn3a c": 1.5 });
  expect(Object.keys(one.measured("bioxen_vm_health_ratio"))).toEqual(["a syn3a c"]);
});
