import { expect, it } from "vitest";
import { EVENT_SUBJECTS, eventSubject, isEventFilter } from "./subjects.ts";

it("an event filter is the subject of events, or a wildcard pattern of such subjects", () => {
  const filters = [EVENT_SUBJECTS, eventSubject("vm", "cell-1"), "bioxen.evt.*.c-1", "bioxen.evt.chassis.>"];
  for (const filter of filters) expect([filter, isEventFilter(filter)]).toEqual([filter, true]);
  const others = [
    "",
    ">",
    "bioxen.evt",
    "bioxen.evt.",
    "bioxen.evt.>.vm",
    "bioxen.evt.vm.a b",
    "bioxen.evt.vm..x",
    "bioxen.tel.vm.cell-1",
    "bioxen.evts.vm.cell-1",
    "bioxen.evt.vm.c*",
  ];
  for (const other of others) expect([other, isEventFilter(other)]).toEqual([other, false]);
});
