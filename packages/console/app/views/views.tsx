/**
 * Which view an address names.
 */
import { route, to } from "../router.ts";
import { Card, Empty } from "../ui/basics.tsx";
import { Page } from "../ui/page.tsx";
import { FleetView } from "./fleet.tsx";
import { VmPage } from "./vm.tsx";
import { VmsView } from "./vms.tsx";

export function ViewOf() {
  const [view = "", id] = route.value.path;
  if (view === "") return <FleetView />;
  if (view === "vms") return id === undefined ? <VmsView /> : <VmPage key={id} vmId={id} />;
  return (
    <Page title="No such view">
      <Card>
        <Empty title={`There is no view at ${to(route.value.path)}`}>
          <a href="#/">Overview of the fleet</a>
        </Empty>
      </Card>
    </Page>
  );
}
