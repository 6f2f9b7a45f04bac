import type { LeftBehind } from "@bioxen/vm-driver";
import { expect, it } from "vitest";
import { removeRemains } from "./remains.ts";

const left = (vmId: string, nextTryAtMs?: number): LeftBehind => ({
  vmId,
  kind: "disk",
  uuid: "u1",
  tries: 1,
  reason: "VDI_IN_USE",
  ...(nextTryAtMs === undefined ? {} : { nextTryAtMs }),
});

const remover = (...all: LeftBehind[]) => ({ discard: async () => undefined, leftBehind: () => all });

it("says that all is gone only when nothing of the VM is left", async () => {
  expect(await removeRemains(remover(), "a", 1)).toEqual({ kind: "gone" });
  expect(await removeRemains(remover(left("b")), "a", 1)).toEqual({ kind: "gone" });
  expect(await removeRemains(remover(left("a"), left("a", 5)), "a", 1)).toEqual({ kind: "tried" });
});

it("names what the pool keeps once no further try follows", async () => {
  const remains = await removeRemains(remover(left("a")), "a", 1);
  expect(remains).toMatchObject({ kind: "kept", reason: expect.stringMatching(/disk u1.*VDI_IN_USE/) });
});
