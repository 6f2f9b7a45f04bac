/**
 * Who launched a process, for every way to start one that the documents name.
 */
import { describe, expect, it } from "vitest";
import { isStartedByNohup, launchOf } from "./launchers.ts";
import type { ProcessEntry } from "./process-table.ts";

const SELF = 100;
const UP: Line = ["node main.ts up"];
/** Processes from this one upwards, as command lines; `*` marks the leader of a session, `!` a marked environment. */
type Line = readonly string[];

/** Makes the process table of a line. Its last process has the parent 1, unless it is the process 1 itself. */
function tableOf(line: Line, options: { lastIsFirst?: boolean; separated?: boolean } = {}) {
  const last = line.length - 1;
  const pidOf = (i: number) => (options.lastIsFirst === true && i === last ? 1 : SELF + i);
  const entries = new Map<number, ProcessEntry & { isMarked: boolean }>();
  for (const [i, text] of line.entries()) {
    const command = text.replace(/^[*!]+/, "");
    entries.set(pidOf(i), {
      pid: pidOf(i),
      parent: i === last ? (pidOf(i) === 1 ? 0 : 1) : pidOf(i + 1),
      leadsSession: /^!?\*/.test(text),
      isMarked: /^\*?!/.test(text),
      args: options.separated === false ? [command] : command.split(" "),
    });
  }
  if (!entries.has(1))
    entries.set(1, { pid: 1, parent: 0, leadsSession: true, isMarked: false, args: ["/sbin/init"] });
  return {
    look: async (pid: number) => entries.get(pid),
    environmentOf: async (pid: number) =>
      new Map(entries.get(pid)?.isMarked === true ? [["npm_config_user_agent", "pnpm"]] : []),
  };
}

const launched = (line: Line, options = {}) => launchOf(SELF, tableOf(line, options));
const NPX: Line = [
  "!node main.ts up",
  "!sh -c node packages/cli/src/main.ts up",
  "!/usr/bin/node /var/npm/_npx/c8/node_modules/.bin/pnpm -s bioxen up",
  "!/bin/sh /srv/bioxen/node_modules/.bin/node /var/npm/_npx/c8/node_modules/.bin/pnpm -s bioxen up",
  "!sh -c 'pnpm' -s bioxen up",
  "npm exec pnpm@10.34.9 -s bioxen up",
];

describe("the launcher of a process", () => {
  it.each([{ separated: true }, { separated: false }])(
    "is the topmost package manager ($separated)",
    async (options) => {
      const line = [0, 1, 2, 3, 4].map((i) => ({ pid: SELF + i, parent: SELF + i + 1 }));
      for (const above of [[], ["-bash"], ["bash -l", "sshd: me"], ["python3 job.py"], ["systemd --user"]]) {
        expect(await launched([...NPX, ...above], options)).toEqual({ kind: "watched", line });
      }
    },
  );

  it("is its parent when that is a program", async () => {
    const line = [{ pid: SELF, parent: SELF + 1 }];
    for (const parent of [
      "python3 run.py",
      "node test.mjs",
      "/usr/bin/make demo",
      "timeout 60 node main.ts up",
    ]) {
      expect(await launched([...UP, parent, "bash"])).toEqual({ kind: "watched", line });
    }
  });

  it("is none for a process that a shell, an init, or a session of its own makes independent", async () => {
    for (const line of [
      [...UP, "-bash", "sshd: me"],
      [...UP, "/bin/zsh -i", "Terminal"],
      [...UP, "bash run.sh"],
      UP,
      [...UP, "/usr/lib/systemd/systemd --user"],
      ["*node main.ts up", "python3 daemon.py"],
      ["*node main.ts up", "/usr/sbin/cron -f"],
    ]) {
      expect(await launched(line), line.join(" < ")).toEqual({ kind: "independent" });
    }
    for (const first of ["/sbin/docker-init -- node main.ts up", "sh -c node main.ts up; true"]) {
      expect(await launched([...UP, first], { lastIsFirst: true }), first).toEqual({ kind: "independent" });
    }
  });

  it("has gone when a command of a package manager has none above it", async () => {
    // npx was killed before its command began: pnpm goes on without it.
    expect(await launched(NPX.slice(0, -1))).toEqual({ kind: "orphaned" });
    expect(await launched([...NPX.slice(0, -1), "/usr/lib/systemd/systemd --user"])).toEqual({
      kind: "orphaned",
    });
    expect(await launched(["!node main.ts up"])).toEqual({ kind: "orphaned" });
  });

  it("has not gone in a shell or container that a package manager started", async () => {
    // `pnpm exec tmux`, and `bioxen up` in it: the environment of the shell is marked, but its parent is no reaper.
    expect(await launched(["!node main.ts up", "!bash", "!tmux new"])).toEqual({ kind: "independent" });
    expect(await launched([...UP, "npm start"], { lastIsFirst: true })).toMatchObject({ kind: "watched" });
  });
});

describe("nohup", () => {
  const startedBy = (program: string, line: Line) => {
    const { look } = tableOf(line);
    return isStartedByNohup(SELF, { look, environmentOf: async () => new Map([["_", program]]) });
  };

  it("is meant by the shell that starts the process with it, and not by a program that has it from its own shell", async () => {
    expect(await startedBy("/usr/bin/nohup", [...UP, "-bash"])).toBe(true);
    expect(await startedBy("nohup", [...UP, "/bin/zsh -i"])).toBe(true);
    expect(await startedBy("/usr/bin/nohup", [...UP, "bash deploy.sh"])).toBe(true);
    expect(await startedBy("/usr/bin/nohup", [...UP, "python3 run.py"])).toBe(false);
    expect(await startedBy("/usr/bin/nohup", [...UP, "sh -c node main.ts up"])).toBe(false);
    expect(await startedBy("/usr/bin/node", [...UP, "-bash"])).toBe(false);
  });
});
