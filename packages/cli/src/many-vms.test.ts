/**
 * A command on several VMs: which are called, and how each result is reported.
 */
import type { Accepted, Refused } from "@bioxen/client";
import type { VmView } from "@bioxen/contracts";
import { Fault } from "@bioxen/kernel";
import { Command } from "commander";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type SelectOptions, toEach } from "./many-vms.ts";
import { Session } from "./session.ts";

const VMS = [
  { vmId: "a", labels: { team: "red", tier: "1" } },
  { vmId: "b", labels: { team: "red" } },
  { vmId: "c", labels: { team: "blue", tier: "1" } },
] as unknown as VmView[];

type Done = Accepted & { readonly vmId: string };

afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = 0;
});

async function run(
  ids: readonly string[],
  options: SelectOptions,
  act: (vmId: string) => Done | Refused,
  json = true,
) {
  const session = {
    close: async () => undefined,
    listAllVms: async ({ label }: { label?: string } = {}) =>
      VMS.filter(({ labels }) => {
        const [name = "", value] = (label ?? "").split("=");
        return value === undefined ? name in labels : labels[name] === value;
      }),
  };
  vi.spyOn(Session, "open").mockResolvedValue(session as unknown as Session);
  const out: string[] = [];
  const err: string[] = [];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => out.push(String(text)) > 0);
  vi.spyOn(process.stderr, "write").mockImplementation((text) => err.push(String(text)) > 0);
  const asked: string[] = [];
  const command = new Command().option("--json").action(async () => undefined);
  if (json) command.setOptionValue("json", true);
  await toEach(command, ids, options, {
    act: async (_session, vmId) => {
      asked.push(vmId);
      return act(vmId);
    },
    words: (reply) => `${reply.vmId} is done`,
  });
  return { asked, out: out.join(""), err: err.join(""), code: process.exitCode };
}

const done = (vmId: string): Done => ({ ok: true, vmId });
const refusal = { code: "VM_NOT_FOUND", message: "VM x does not exist", retryable: false };

describe("a command for several VMs", () => {
  it("prints the reply itself for one id, and one document of results for several or a selector", async () => {
    expect(JSON.parse((await run(["a"], {}, done)).out)).toEqual(done("a"));
    const results = (ids: string[]) => ({ ok: true, results: ids.map(done) });
    expect(JSON.parse((await run(["b", "a", "b"], {}, done)).out)).toEqual(results(["b", "a"]));
    expect(JSON.parse((await run([], { selector: ["tier=1", "team=blue"] }, done)).out)).toEqual(
      results(["c"]),
    );
    expect((await run([], { selector: ["team"] }, done)).asked).toEqual(["a", "b", "c"]);
  });

  it("calls all VMs although one is refused, names that one, and exits with 1", async () => {
    const act = (vmId: string): Done | Refused => (vmId === "x" ? { ok: false, error: refusal } : done(vmId));
    const json = await run(["a", "x", "b"], {}, act);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.out)).toEqual({
      ok: false,
      results: [done("a"), { vmId: "x", ok: false, error: refusal }, done("b")],
    });
    const words = await run(["a", "x", "b"], {}, act, false);
    expect(words.out).toBe("a is done\nb is done\n");
    expect(words.err).toContain("x: VM_NOT_FOUND: VM x does not exist");
    expect(words.code).toBe(1);
  });

  it("stops calling when no service replies, and exits with 3", async () => {
    const ids = Array.from({ length: 50 }, (_, i) => `v${i}`);
    const { asked, out, code } = await run(ids, {}, () => {
      throw new Fault("UNAVAILABLE", "no instance serves it", { retryable: true });
    });
    expect(code).toBe(3);
    expect(asked.length).toBeLessThan(20);
    expect(JSON.parse(out).results).toHaveLength(50);
  });

  it("succeeds when no VM is selected", async () => {
    const { out, code } = await run([], { selector: ["team=green"] }, done);
    expect(JSON.parse(out)).toEqual({ ok: true, results: [] });
    expect(code).toBe(0);
    await expect(run([], {}, done)).rejects.toMatchObject({ exitCode: 2 });
    await expect(run(["a"], { selector: ["team"] }, done)).rejects.toMatchObject({ exitCode: 2 });
  });
});
