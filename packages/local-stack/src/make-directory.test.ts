import { chmod, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { makeDirectory, makePrivateDirectory } from "./make-directory.ts";

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

it("makes directories for their owner only, and closes an existing one only where it is BioXen's own", async () => {
  const dir = await mkdtemp(join(tmpdir(), "bioxen-make-"));
  const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
  try {
    await makeDirectory(join(dir, "a", "b"));
    expect([await modeOf(join(dir, "a")), await modeOf(join(dir, "a", "b"))]).toEqual(["700", "700"]);
    await chmod(join(dir, "a"), 0o755);
    await makeDirectory(join(dir, "a"));
    expect(await modeOf(join(dir, "a"))).toBe("755");
    await makePrivateDirectory(join(dir, "a"));
    expect(await modeOf(join(dir, "a"))).toBe("700");
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
