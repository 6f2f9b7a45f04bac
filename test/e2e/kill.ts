/** Kills a process at once. Throws without a process id: -1 in its place would kill every process of the user. */
export function killNow(pid: number | null | undefined): void {
  if (typeof pid !== "number") throw new Error("the process to kill does not run");
  process.kill(pid, "SIGKILL");
}
