/**
 * Starts long test files first, so that none of them runs alone at the end while other workers have nothing to do.
 *
 * Vitest orders files by their last duration. In a fresh clone it knows none and orders them by size, which says
 * little: the simulated seeds are one of the shortest files.
 */
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take more than ten seconds on an idle machine. */
const LONG_FILES = [
  "test/sim/sim.test.ts",
  "packages/cell-models/src/optimise.test.ts",
  "test/contract/telemetry-loss.test.ts",
  "packages/driver-xcpng/test/load.int.test.ts",
];

export class LongFilesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification) =>
      LONG_FILES.some((path) => moduleId.endsWith(`/${path}`));
    // Within a project only: projects keep their order, because those of one group share the workers.
    const projects = new Set(sorted.map(({ project }) => project));
    return [...projects].flatMap((project) => {
      const own = sorted.filter((file) => file.project === project);
      return [...own.filter(isLong), ...own.filter((file) => !isLong(file))];
    });
  }
}
