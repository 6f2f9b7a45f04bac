import { describe, expect, it } from "vitest";
import { runScript } from "../src/guest-shell.ts";

describe("a fake guest's commands", () => {
  const ran = async (source: string) => {
    const said = { out: "", err: "" };
    const status = await runScript(source, {
      hostname: "x1",
      out: (text) => {
        said.out += text;
      },
      err: (text) => {
        said.err += text;
      },
      signal: new AbortController().signal,
    });
    return { status, ...said };
  };

  it("run in order, with quotes, operators, comments and redirection to stderr", async () => {
    expect(await ran('echo \'a  b\' "c\\"d" e\\ f # no more\nfalse || echo or; true && echo and')).toEqual({
      status: 0,
      out: 'a  b c"d e f\nor\nand\n',
      err: "",
    });
    expect(await ran("echo bad >&2; exit 4; echo no")).toEqual({ status: 4, out: "", err: "bad\n" });
    expect(await ran("hostname; seq 2; false && echo no")).toEqual({ status: 1, out: "x1\n1\n2\n", err: "" });
    expect(await ran("rm -rf /")).toEqual({ status: 127, out: "", err: "sh: rm: not found\n" });
    expect(await ran("echo a | cat")).toMatchObject({
      status: 2,
      err: 'sh: "|" is not supported by a fake guest\n',
    });
    expect(await ran("")).toEqual({ status: 0, out: "", err: "" });
  });
});
