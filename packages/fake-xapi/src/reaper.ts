/**
 * Ends the processes of a fake that was killed, and removes its folder.
 *
 * A small shell process holds the other end of a pipe and a list of process ids. The system closes the pipe when the
 * fake ends, however it ends. The shell then kills what is listed: also processes that are stopped by SIGSTOP, which
 * would not notice the end of their parent.
 */
import { type ChildProcess, spawn } from "node:child_process";

/** Reads lines `+ PID` and `- PID`. `$1` is the folder. */
const SCRIPT = `pids=
while read -r sign pid; do
  others=
  for one in $pids; do [ "$one" = "$pid" ] || others="$others $one"; done
  pids=$others
  [ "$sign" = + ] && pids="$pids $pid"
done
[ -z "$pids" ] || kill -9 $pids
rm -rf "$1"
`;

export class Reaper {
  readonly #shell: ChildProcess;
  readonly #ended: Promise<void>;

  /** `folder` is removed at the end. */
  constructor(folder: string) {
    // In a process group of its own, it outlives a Ctrl-C in the terminal of the fake.
    const stdio = ["pipe", "ignore", "ignore"] as const;
    this.#shell = spawn("/bin/sh", ["-c", SCRIPT, "sh", folder], { stdio: [...stdio], detached: true });
    this.#ended = new Promise((resolve) => {
      this.#shell.once("exit", () => resolve());
      this.#shell.once("error", () => resolve());
    });
    // A shell that ended is no reason for the fake to end.
    this.#shell.stdin?.on("error", () => undefined);
    this.#shell.unref();
  }

  /** Notes a process that must not outlive the fake. */
  add(pid: number): void {
    this.#shell.stdin?.write(`+ ${pid}\n`);
  }

  /** Notes that the process has ended: its id may be that of another process soon. */
  remove(pid: number): void {
    this.#shell.stdin?.write(`- ${pid}\n`);
  }

  /** Kills the noted processes, removes the folder, and resolves once that is done. */
  close(): Promise<void> {
    this.#shell.ref();
    this.#shell.stdin?.end();
    return this.#ended;
  }
}
