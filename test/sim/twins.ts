/**
 * Checks that at most one process of an agent id speaks for it: once another process of the id has published a sample
 * or a heartbeat, the former one publishes nothing more.
 */
/** Prefixes of the subjects on which only the agent itself publishes. */
const OWN_SUBJECTS = ["bioxen.tel.chassis.", "bioxen.tel.vm."] as const;

export class Voices {
  readonly #problem: (text: string) => void;
  /** By agent id, the process that published last. */
  readonly #last = new Map<string, string>();
  readonly #former = new Set<string>();

  constructor(problem: (text: string) => void) {
    this.#problem = problem;
  }

  /** Notes that a process of the agent published a message. */
  heard(agentId: string, processName: string, subject: string): void {
    if (!OWN_SUBJECTS.some((prefix) => subject.startsWith(prefix))) return;
    if (this.#former.has(processName))
      this.#problem(
        `${processName} publishes ${subject} after ${this.#last.get(agentId)} spoke for ${agentId}`,
      );
    const last = this.#last.get(agentId);
    if (last === processName) return;
    if (last !== undefined) this.#former.add(last);
    this.#last.set(agentId, processName);
  }
}
