/**
 * The access of one process to the store of time courses. The guests of the simulation record nothing, so it has no
 * faults of its own.
 */
import type { CourseStore } from "@bioxen/kernel";
import type { MemoryCourses } from "@bioxen/testkit/memory-courses";

interface Door {
  readonly send: <T>(work: () => Promise<T>) => Promise<T>;
  readonly alive: <T>(work: Promise<T>) => Promise<T>;
}

export function coursePath(
  { courses }: { readonly courses: MemoryCourses },
  { send, alive }: Door,
): CourseStore {
  return {
    put: (name, bytes) => send(() => courses.put(name, bytes)),
    get: (name) => alive(courses.get(name)),
    batches: (course) => alive(courses.batches(course)),
    courses: () => alive(courses.courses()),
    delete: (course) => send(() => courses.delete(course)),
  };
}
