/**
 * The equations of Weiße, Oyarzún, Danos & Swain 2015 (doi:10.1073/pnas.1416533112), written down once more from the paper
 * with the names of the paper, and the three limits of BioXen. It shares no line and no number with the product, so that
 * an error of either shows.
 */
import type { Rates } from "./radau.ts";

/** The state in the order of the columns of a course; `generations` is ∫λ dt without divisions. */
export const VARIABLES = "generations zr zt zm zq et em si q mr mt mm mq r cr ct cm cq a".split(" ");

export interface Conditions {
  /** Nutrient quality n_s, external nutrient s_0 in molecules, chloramphenicol in µM. */
  readonly ns: number;
  readonly s0: number;
  readonly cm: number;
  /** Cap of translating ribosomes; and how many free ribosomes may bind for each unused place. */
  readonly ribosomes: number;
  readonly perPlace: number;
  /** Shares of the full demand of ATP and of RNA polymerases. */
  readonly atp: number;
  readonly polymerases: number;
}

/** Size of syn3A relative to the published cell of 1e8 amino acids: every amount scales with it. */
const S = 0.301;
const M = 1e8 * S;
const [NR, NX, GAMMA_MAX, DM] = [6671, 387, 720, 0.19];
const K_GAMMA = (1260 / 180.1378030928276) * S;
const [VT, VM, KT, KM] = [726, 5800, 1000, 1000 * S];
const [WR, WE, WQ] = [9.40085128078, 0.081012210654, 18.572631840376];
const [THETA_R, THETA_X, KQ] = [426.8693338968694 * S, 4.379733394834643 * S, 152219.040373749 * S];
const [KB, KU, K_CM] = [1 / S, 1, 0.005990373118888];
/** ATP, ADP and AMP of the cell, molecules: import is halved there. */
const POOL = 7.4e4;

/** Returns the growth rate, per minute. */
export function growthRateOf(y: readonly number[]): number {
  const [, , , , , , , , , , , , , , cr = 0, ct = 0, cm = 0, cq = 0, a = 0] = y;
  return (((GAMMA_MAX * a) / (K_GAMMA + a)) * (cr + ct + cm + cq)) / M;
}

export function ratesUnder({ ns, s0, cm: drug, ribosomes, perPlace, atp, polymerases }: Conditions): Rates {
  return (y) => {
    const [, zr = 0, zt = 0, zm = 0, zq = 0, et = 0, em = 0, si = 0, q = 0] = y;
    const [mr = 0, mt = 0, mm = 0, mq = 0, r = 0, cr = 0, ct = 0, cm = 0, cq = 0, a = 0] = y.slice(9);
    const gamma = (GAMMA_MAX * a) / (K_GAMMA + a);
    const C = cr + ct + cm + cq;
    const lambda = (gamma * C) / M;
    const vimp = (((et * VT * s0) / (KT + s0)) * atp) / (1 + (a / POOL) ** 4);
    const vcat = (em * VM * si) / (KM + si);
    const wx = (polymerases * a) / (THETA_X + a);
    const omega = [(polymerases * WR * a) / (THETA_R + a), WE * wx, WE * wx, (WQ * wx) / (1 + (q / KQ) ** 4)];
    const binding = KB * Math.max(0, Math.min(r, perPlace * (ribosomes - C)));
    const f = K_CM * drug;
    const m = [mr, mt, mm, mq];
    const c = [cr, ct, cm, cq];
    const nu = c.map((cx, x) => (cx * gamma) / (x === 0 ? NR : NX));
    const release = c.map((cx, x) => (nu[x] ?? 0) - binding * (m[x] ?? 0) + KU * cx);
    const dm = m.map((mx, x) => (omega[x] ?? 0) - (lambda + DM) * mx + (release[x] ?? 0));
    const dc = c.map((cx, x) => -lambda * cx - (release[x] ?? 0) - f * cx);
    const dz = [zr, zt, zm, zq].map((z, x) => f * (c[x] ?? 0) - lambda * z);
    const [nur = 0, nut = 0, num = 0, nuq = 0] = nu;
    const freed = release.reduce((sum, one) => sum + one, 0);
    return [
      lambda,
      ...dz,
      nut - lambda * et,
      num - lambda * em,
      vimp - vcat - lambda * si,
      nuq - lambda * q,
      ...dm,
      nur - lambda * r + freed,
      ...dc,
      ns * vcat - gamma * C - lambda * a,
    ];
  };
}
