/**
 * The endpoint of time courses.
 */
import * as z from "zod";
import { courseColumn, courseFields } from "../courses.ts";
import { pageRequest, pageResult } from "../pages.ts";
import { id } from "../schemas.ts";
import { endpoint, paged } from "./endpoint.ts";
import { simMinute } from "./internal.ts";

export const COURSE_ENDPOINTS = {
  courseGet: paged(
    endpoint(
      "bioxen.qry.course.get",
      "lifecycle",
      "The recorded time course of a VM, in order of branch and minute. The first columns are `minute` and `branch`: how often the cell was restored before, or began again after it had ended. A row is the cell at the end of its minute, before what acts at this minute; it has the allocation and the environment of the minute that ends. Rows that a lost agent had stored after the last checkpoint are replaced by those of the guest that continues. `incarnation` is that of the VM with this id, by default the latest one. `fromMinute` and `toMinute` are inclusive.",
      z.strictObject({
        vmId: id,
        incarnation: z.int().min(1).optional(),
        fromMinute: simMinute.optional(),
        toMinute: simMinute.optional(),
        fields: courseFields.optional(),
        ...pageRequest,
      }),
      z.object({
        columns: z.array(courseColumn),
        rows: z.array(z.array(z.number().nullable())),
        ...pageResult,
      }),
    ),
    { rows: "items" },
  ),
} as const;
