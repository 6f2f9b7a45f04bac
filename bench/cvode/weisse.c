/*
 * The equations of packages/cell-models/src/weisse.ts, integrated by CVODE (BDF, dense) for a fleet of cells in turn.
 *
 * Reads numbers from standard input: relative tolerance; number of variables; absolute tolerance of each; the 20
 * parameters in the order of `struct parameters`; whether a step must end at each minute (0 or 1); number of cells; minutes
 * of a slice; number of slices; slices between two shifts (0: none); then for each cell its state, 3 surroundings, 3 surroundings after a shift, and 4 limits. A cell
 * changes between both surroundings at each shift. Writes the processor seconds of the integration, the number of
 * evaluations of the rates, and the last state of each cell.
 *
 * The solver makes its Jacobian by differences and keeps it over many steps. Unless steps must
 * end at each minute, it steps past the end of a minute and interpolates the state, as is usual with CVODE.
 */
#include <cvode/cvode.h>
#include <nvector/nvector_serial.h>
#include <stdio.h>
#include <stdlib.h>
#include <sundials/sundials_types.h>
#include <sunlinsol/sunlinsol_dense.h>
#include <sunmatrix/sunmatrix_dense.h>
#include <time.h>

enum { G, ZR, ZT, ZM, ZQ, ET, EM, SI, Q, MR, MT, MM, MQ, R, CR, CT, CM, CQ, A, SIZE };

struct parameters {
  double mass, ribosome_length, protein_length, elongation_max, elongation_energy, import_rate, import_substrate,
      catabolic_rate, catabolic_substrate, transcription_ribosome, transcription_enzyme, transcription_housekeeping,
      transcription_energy_ribosome, transcription_energy_other, autoinhibition, mrna_decay, binding, unbinding,
      chloramphenicol_binding, energy_pool;
};

struct cell {
  double state[SIZE];
  double surroundings[2][3]; /* nutrient quality, substrate, chloramphenicol */
  double limits[4];          /* ribosome cap, bindable per place, ATP share, transcription share */
  int shifted;
  void *solver;
  N_Vector y;
};

static struct parameters p;
static double absolute[SIZE];

static double number(void) {
  double value;
  if (scanf("%lf", &value) != 1) {
    fprintf(stderr, "a number is missing\n");
    exit(2);
  }
  return value;
}

static int rates(sunrealtype t, N_Vector in, N_Vector result, void *data) {
  (void)t;
  const struct cell *cell = data;
  const double *y = N_VGetArrayPointer(in), *s = cell->surroundings[cell->shifted], *limits = cell->limits;
  double *out = N_VGetArrayPointer(result);
  const double energy = y[A];
  const double gamma = p.elongation_max * energy / (p.elongation_energy + energy);
  const double engaged = y[CR] + y[CT] + y[CM] + y[CQ];
  const double translated = gamma * engaged, lambda = translated / p.mass;
  const double pool = energy / p.energy_pool, throttle = 1 / (1 + pool * pool * pool * pool);
  const double imported = y[ET] * limits[2] * p.import_rate * (s[1] / (p.import_substrate + s[1])) * throttle;
  const double catabolised = y[EM] * p.catabolic_rate * y[SI] / (p.catabolic_substrate + y[SI]);
  const double finish = gamma / p.protein_length;
  const double made_r = y[CR] * gamma / p.ribosome_length;
  const double places = limits[1] * (limits[0] - engaged), free = y[R] < places ? y[R] : places;
  const double bindable = p.binding * (free > 0 ? free : 0);
  const double net_r = bindable * y[MR] - p.unbinding * y[CR] - made_r;
  const double net_t = bindable * y[MT] - p.unbinding * y[CT] - y[CT] * finish;
  const double net_m = bindable * y[MM] - p.unbinding * y[CM] - y[CM] * finish;
  const double net_q = bindable * y[MQ] - p.unbinding * y[CQ] - y[CQ] * finish;
  const double activity = limits[3] * energy / (p.transcription_energy_other + energy);
  const double written = p.transcription_enzyme * activity;
  const double written_r =
      limits[3] * p.transcription_ribosome * energy / (p.transcription_energy_ribosome + energy);
  const double repression = y[Q] / p.autoinhibition;
  const double written_q = p.transcription_housekeeping * activity /
                           (1 + repression * repression * repression * repression);
  const double capture = p.chloramphenicol_binding * s[2];
  const double loss = lambda + capture, mrna_loss = lambda + p.mrna_decay;
  out[G] = lambda;
  out[ZR] = capture * y[CR] - lambda * y[ZR];
  out[ZT] = capture * y[CT] - lambda * y[ZT];
  out[ZM] = capture * y[CM] - lambda * y[ZM];
  out[ZQ] = capture * y[CQ] - lambda * y[ZQ];
  out[ET] = y[CT] * finish - lambda * y[ET];
  out[EM] = y[CM] * finish - lambda * y[EM];
  out[SI] = imported - catabolised - lambda * y[SI];
  out[Q] = y[CQ] * finish - lambda * y[Q];
  out[MR] = written_r - mrna_loss * y[MR] - net_r;
  out[MT] = written - mrna_loss * y[MT] - net_t;
  out[MM] = written - mrna_loss * y[MM] - net_m;
  out[MQ] = written_q - mrna_loss * y[MQ] - net_q;
  out[R] = made_r - lambda * y[R] - (net_r + net_t + net_m + net_q);
  out[CR] = net_r - loss * y[CR];
  out[CT] = net_t - loss * y[CT];
  out[CM] = net_m - loss * y[CM];
  out[CQ] = net_q - loss * y[CQ];
  out[A] = s[0] * catabolised - translated - lambda * energy;
  return 0;
}

static void check(int flag, const char *what) {
  if (flag < 0) {
    fprintf(stderr, "%s failed with %d\n", what, flag);
    exit(1);
  }
}

static double processor_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec + 1e-9 * now.tv_nsec;
}

int main(void) {
  SUNContext context;
  check(SUNContext_Create(NULL, &context), "SUNContext_Create");
  const double relative = number();
  if (number() != SIZE) {
    fprintf(stderr, "a state has %d variables here\n", SIZE);
    return 2;
  }
  for (int i = 0; i < SIZE; i++) absolute[i] = number();
  for (size_t i = 0; i < sizeof p / sizeof(double); i++) ((double *)&p)[i] = number();
  const int ends = (int)number(), cells = (int)number();
  const double minutes = number();
  const int slices = (int)number(), between = (int)number();
  struct cell *fleet = calloc(cells, sizeof *fleet);
  N_Vector tolerances = N_VMake_Serial(SIZE, absolute, context);
  for (int c = 0; c < cells; c++) {
    struct cell *cell = &fleet[c];
    for (int i = 0; i < SIZE; i++) cell->state[i] = number();
    for (int i = 0; i < 6; i++) cell->surroundings[i / 3][i % 3] = number();
    for (int i = 0; i < 4; i++) cell->limits[i] = number();
    cell->y = N_VMake_Serial(SIZE, cell->state, context);
    cell->solver = CVodeCreate(CV_BDF, context);
    check(CVodeInit(cell->solver, rates, 0, cell->y), "CVodeInit");
    check(CVodeSVtolerances(cell->solver, relative, tolerances), "CVodeSVtolerances");
    check(CVodeSetUserData(cell->solver, cell), "CVodeSetUserData");
    check(CVodeSetMaxNumSteps(cell->solver, 100000), "CVodeSetMaxNumSteps");
    SUNMatrix matrix = SUNDenseMatrix(SIZE, SIZE, context);
    SUNLinearSolver linear = SUNLinSol_Dense(cell->y, matrix, context);
    check(CVodeSetLinearSolver(cell->solver, linear, matrix), "CVodeSetLinearSolver");
  }
  const double started = processor_seconds();
  for (int slice = 0; slice < slices; slice++) {
    for (int c = 0; c < cells; c++) {
      struct cell *cell = &fleet[c];
      const double from = slice * minutes;
      if (between > 0 && slice % between == 0) {
        if (slice > 0) cell->shifted = !cell->shifted;
        check(CVodeReInit(cell->solver, from, cell->y), "CVodeReInit");
      }
      if (between > 0) check(CVodeSetStopTime(cell->solver, (slice / between + 1) * between * minutes),
                              "CVodeSetStopTime");
      sunrealtype reached;
      for (int minute = 1; minute <= minutes; minute++) {
        if (ends) check(CVodeSetStopTime(cell->solver, from + minute), "CVodeSetStopTime");
        check(CVode(cell->solver, from + minute, cell->y, &reached, CV_NORMAL), "CVode");
      }
    }
  }
  const double seconds = processor_seconds() - started;
  long evaluations = 0;
  for (int c = 0; c < cells; c++) {
    long own, linear;
    CVodeGetNumRhsEvals(fleet[c].solver, &own);
    CVodeGetNumLinRhsEvals(fleet[c].solver, &linear);
    evaluations += own + linear;
  }
  printf("%.9g %ld\n", seconds, evaluations);
  for (int c = 0; c < cells; c++) {
    for (int i = 0; i < SIZE; i++) printf("%.17g ", fleet[c].state[i]);
    printf("\n");
  }
  return 0;
}
