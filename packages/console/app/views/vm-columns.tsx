/** Columns of lists of VMs that do not depend on telemetry: the present and the past have them alike. */
import type { VmView } from "../model/types.ts";
import { typeName } from "../model/words.ts";
import { Badge } from "../ui/basics.tsx";
import type { Column } from "../ui/virtual-list.tsx";

/** What the VM is and where. */
export const PLACE_COLUMNS: readonly Column<VmView>[] = [
  { name: "id", title: "VM", cell: (vm) => vm.vmId, sortBy: (vm) => vm.vmId },
  {
    name: "state",
    title: "State",
    width: 104,
    cell: (vm) => <Badge state={vm.state} />,
    sortBy: (vm) => vm.state,
  },
  {
    name: "type",
    title: "Type",
    width: 112,
    cell: (vm) => typeName(vm.biologicalType),
    sortBy: (vm) => vm.biologicalType,
  },
  {
    name: "chassis",
    title: "Chassis",
    cell: (vm) => vm.chassisId ?? "–",
    sortBy: (vm) => vm.chassisId ?? "",
  },
];

export const OWNER_COLUMN: Column<VmView> = {
  name: "owner",
  title: "Owner",
  cell: (vm) => vm.owner,
  sortBy: (vm) => vm.owner,
};
