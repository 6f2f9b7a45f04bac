import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { makeDirectory } from "./make-directory.ts";

it("creates missing parents, accepts what exists, and reports what cannot be created", async () => {
  const dir = await mkdtemp(join(tmpdir(), "bioxen-make-"));
  try {
    const deep = join(dir, "a", "b", "c");
    await Promise.all([makeDirectory(deep), makeDirectory(deep)]);
    await makeDirectory(deep);
    expect((await stat(deep)).isDirectory()).toBe(true);
    const file = join(dir, "file");
    await writeFile(file, "");
    const impossible = [join(file, "below"), ...(process.platform === "linux" ? ["/proc/nope/deeper"] : [])];
    for (const path of impossible) {
      await expect(makeDirectory(path)).rejects.toMatchObject({
        code: "BAD_REQUEST",
        message: expect.stringContaining(`the directory ${path} cannot be created`),
      });
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
