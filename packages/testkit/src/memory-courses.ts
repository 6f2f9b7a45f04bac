/**
 * A store of time courses in memory. It passes the same `courseStoreContract` as the store on JetStream.
 */
import {
  type CourseBatchName,
  type CourseName,
  type CourseStore,
  Fault,
  MAX_COURSE_BATCH_BYTES,
} from "@bioxen/kernel";

export class MemoryCourses implements CourseStore {
  readonly #batches = new Map<string, { readonly name: CourseBatchName; readonly bytes: Uint8Array }>();

  async put(name: CourseBatchName, bytes: Uint8Array): Promise<void> {
    if (bytes.length > MAX_COURSE_BATCH_BYTES) {
      throw new Fault(
        "TOO_LARGE",
        `the batch has ${bytes.length} bytes: the limit is ${MAX_COURSE_BATCH_BYTES}`,
        {
          retryable: false,
        },
      );
    }
    this.#batches.set(keyOf(name), { name: { ...name }, bytes: Uint8Array.from(bytes) });
  }

  async get(name: CourseBatchName): Promise<Uint8Array | undefined> {
    const bytes = this.#batches.get(keyOf(name))?.bytes;
    return bytes && Uint8Array.from(bytes);
  }

  async batches(course: CourseName): Promise<readonly CourseBatchName[]> {
    return [...this.#batches.values()].flatMap(({ name }) => (isOf(course, name) ? [name] : []));
  }

  async courses(): Promise<readonly CourseName[]> {
    const courses = new Map<string, CourseName>();
    for (const { name } of this.#batches.values()) {
      const { vmId, incarnation } = name;
      courses.set(`${vmId}.${incarnation}`, { vmId, incarnation });
    }
    return [...courses.values()];
  }

  async delete(course: CourseName): Promise<void> {
    for (const [key, { name }] of this.#batches) if (isOf(course, name)) this.#batches.delete(key);
  }
}

function isOf({ vmId, incarnation }: CourseName, name: CourseBatchName): boolean {
  return name.vmId === vmId && name.incarnation === incarnation;
}

function keyOf({ agentId, vmId, incarnation, branch, run, firstMinute }: CourseBatchName): string {
  return [agentId, vmId, incarnation, branch, run, firstMinute].join(".");
}
