/**
 * Ends the nats-server when the stack that started it is killed.
 *
 * The services notice the loss of the stack when their IPC channel closes; the server has no such channel. A small
 * shell, the guard, therefore reads from a pipe that this process holds open. The kernel closes the pipe when this
 * process ends, however it ends, and the guard then ends the server. Without a POSIX shell there is no guard:
 * `bioxen down` or the next `bioxen up` ends the server.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { serverEnvironment } from "./server-environment.ts";

/**
 * The script of the guard; its argument is the process id of the server. The script first waits, because the services
 * need the server while they drain. SIGKILL comes 6 s after SIGTERM. The number of tries is limited, because an ended
 * server can stay in the process table as a zombie for ever.
 */
const SCRIPT = `
read -r _
sleep 5
kill -TERM "$1" 2>/dev/null || exit 0
tries=0
while [ "$tries" -lt 80 ] && kill -0 "$1" 2>/dev/null; do
  tries=$((tries + 1))
  [ "$tries" -eq 60 ] && kill -KILL "$1" 2>/dev/null
  sleep 0.1
done
`;

export class ServerGuard {
  readonly #shell: ChildProcess;

  /** Guards the process `pid` until {@link release}. */
  constructor(pid: number) {
    this.#shell = spawn("/bin/sh", ["-c", SCRIPT, "bioxen-server-guard", String(pid)], {
      stdio: ["pipe", "ignore", "ignore"],
      env: serverEnvironment(),
      // A process group of its own: Ctrl-C on the terminal must not end the guard before the server.
      detached: true,
    });
    this.#shell.on("error", () => undefined);
    this.#shell.stdin?.on("error", () => undefined);
    this.#shell.unref();
    (this.#shell.stdin as { unref?: () => void } | null)?.unref?.();
  }

  /** Ends the guard at once. Call it only when the server has ended. */
  release(): void {
    this.#shell.kill("SIGKILL");
  }
}
