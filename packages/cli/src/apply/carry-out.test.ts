/**
 * Which refusals a run of `apply` repeats, and under which message id.
 */
import { Calls } from "@bioxen/client";
import type { Caller, CallOptions, Reply } from "@bioxen/kernel";
import { expect, it } from "vitest";
import { carryOut } from "./carry-out.ts";
import { parseFleet, type WantedVm } from "./fleet-file.ts";

/** Runs both VMs; `grows` finds room only after `shrinks` was resized, and after two more refusals. */
class FullChassis implements Caller {
  readonly messageIds: (string | undefined)[] = [];
  readonly #wanted: ReadonlyMap<string, WantedVm>;
  readonly #resized = new Set<string>();
  #refusals = 2;

  constructor(wanted: readonly WantedVm[]) {
    this.#wanted = new Map(wanted.map((one) => [one.vmId, one]));
  }

  async call(subject: string, payload: unknown, { messageId }: CallOptions): Promise<Reply> {
    const { vmId } = payload as { readonly vmId: string };
    if (subject === "bioxen.cmd.vm.resize") {
      if (vmId === "grows") this.messageIds.push(messageId);
      if (vmId === "grows" && !this.#hasRoom()) {
        const error = { code: "CAPACITY_EXCEEDED", message: "not enough room", retryable: true };
        return { ok: false, error };
      }
      this.#resized.add(vmId);
    }
    return { ok: true, changed: true, vm: this.#viewOf(vmId) };
  }

  #hasRoom(): boolean {
    if (!this.#resized.has("shrinks")) return false;
    this.#refusals -= 1;
    return this.#refusals < 0;
  }

  #viewOf(vmId: string): object {
    const { create, request: wanted } = this.#wanted.get(vmId) as WantedVm;
    const request = this.#resized.has(vmId) ? wanted : { ...wanted, ribosomes: 1 };
    const state = { state: "running", reason: null, refusals: [], preemption: null, version: 3 };
    return { ...create, vmId, seed: 7, parent: null, request, guarantee: request, ...state };
  }
}

async function wantedVms(...vmIds: readonly string[]): Promise<readonly WantedVm[]> {
  const vms = vmIds.map((vmId) => ({ vmId, biologicalType: "syn3a" }));
  const parsed = await parseFleet(JSON.stringify({ fleet: "lab", vms }), ".");
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.fleet.vms;
}

it("repeats a resize that lacks room, until another VM of the fleet has shrunk", async () => {
  const vms = await wantedVms("grows", "shrinks");
  const chassis = new FullChassis(vms);
  const calls = new Calls(chassis, { timeoutMs: 10_000, strictDeadline: true });
  const change = { action: "change", differences: [] } as const;
  const plan = vms.map((wanted) => ({ vmId: wanted.vmId, wanted, ...change }));
  const signal = new AbortController().signal;
  const applied = await carryOut(calls, plan, { fleet: "lab", signal, onDone: () => undefined });
  expect([...applied.values()].map(({ outcome }) => outcome)).toEqual(["done", "done"]);
  expect(chassis.messageIds.length).toBeGreaterThan(1);
  expect(new Set(chassis.messageIds).size).toBe(1);
});
