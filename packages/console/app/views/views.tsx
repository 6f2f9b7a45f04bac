/**
 * Which view an address names. The views of experiments and of the creation of a VM are loaded with their first use: they
 * bring plots and cell models.
 */
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { isTenant, mayCommand } from "../live.ts";
import { route, to } from "../router.ts";
import { Card, Empty, ErrorNote, Loading } from "../ui/basics.tsx";
import { Page } from "../ui/page.tsx";
import { AlertsView, JobsView } from "./alerts.tsx";
import { ChassisList, ChassisPage } from "./chassis.tsx";
import { FleetView } from "./fleet.tsx";
import { EventPage, LogView } from "./log.tsx";
import { PrincipalsView, QuotasView } from "./quotas.tsx";
import { TimeView } from "./time.tsx";
import { VmPage } from "./vm.tsx";
import { VmsView } from "./vms.tsx";

type Loaded<P> = { readonly view?: ComponentType<P>; readonly error?: unknown };

/** A view that is loaded when it is first shown. */
function later<P extends object>(title: string, load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let known: ComponentType<P> | undefined;
  return function Later(props: P) {
    const [{ view: View = known, error }, set] = useState<Loaded<P>>({});
    useEffect(() => {
      if (known !== undefined) return;
      load().then(
        (view) => {
          known = view;
          set({ view });
        },
        (thrown: unknown) => set({ error: thrown }),
      );
    }, []);
    if (View !== undefined) return <View {...props} />;
    return (
      <Page title={title}>{error === undefined ? <Loading lines={8} /> : <ErrorNote error={error} />}</Page>
    );
  };
}

const CreateView = later<object>("Create a VM", () =>
  import("./create.tsx").then((module) => module.CreateView),
);
const ExperimentsView = later<object>("Experiments", () =>
  import("./experiments.tsx").then((module) => module.ExperimentsView),
);
const NewExperiment = later<object>("Start an experiment", () =>
  import("./experiments.tsx").then((module) => module.NewExperiment),
);
const ExperimentPage = later<{ readonly id: string }>("Experiment", () =>
  import("./experiment.tsx").then((module) => module.ExperimentPage),
);

const PLAIN: Readonly<Record<string, ComponentType<object>>> = {
  "": FleetView,
  vms: VmsView,
  chassis: ChassisList,
  create: CreateView,
  experiments: ExperimentsView,
  log: LogView,
  time: TimeView,
  alerts: AlertsView,
  jobs: JobsView,
  quotas: QuotasView,
  principals: PrincipalsView,
};

/** Views of what a tenant may not read. The navigation has no entry for them; an address can name them. */
const FOR_OPERATORS = new Set(["time", "alerts", "quotas"]);

function NotForYou({ title, why }: { readonly title: string; readonly why: string }) {
  return (
    <Page title={title}>
      <Card>
        <Empty title={why}>
          <a href="#/">Overview of the fleet</a>
        </Empty>
      </Card>
    </Page>
  );
}

export function ViewOf() {
  const [view = "", id] = route.value.path;
  const Plain = PLAIN[view];
  if (isTenant.value && FOR_OPERATORS.has(view))
    return <NotForYou title="Not for tenants" why="This view shows what belongs to all tenants" />;
  if (!mayCommand.value && (view === "create" || id === "new"))
    return <NotForYou title="Not for observers" why="An observer looks, and changes nothing" />;
  if (id === undefined && Plain !== undefined) return <Plain />;
  if (id !== undefined && view === "vms") return <VmPage key={id} vmId={id} />;
  if (id !== undefined && view === "chassis") return <ChassisPage key={id} chassisId={id} />;
  if (id === "new" && view === "experiments") return <NewExperiment />;
  if (id !== undefined && view === "experiments") return <ExperimentPage key={id} id={id} />;
  if (view === "log" && /^\d+$/.test(id ?? "")) return <EventPage key={id} seq={Number(id)} />;
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
