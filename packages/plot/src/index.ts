export { coursesPlot, type PlottedCourse } from "./courses-plot.ts";
export {
  axisTitle,
  type Plot,
  type PlotAxis,
  type PlotPanel,
  type PlotPoint,
  type PlotSeries,
} from "./plot.ts";
export { type Replicate, replicatesPlot } from "./replicates-plot.ts";
export { plotSvg } from "./svg.ts";
export { plotText, type TextPlotOptions } from "./terminal.ts";
