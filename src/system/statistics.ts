export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

export const mean = (values: readonly number[]): number => sum(values) / values.length;

/** The largest; of any number of values, where Math.max(...values) has a limit. −∞ of none. */
export const largest = (values: readonly number[]): number =>
  values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);

/** The smallest; of any number of values. ∞ of none. */
export const smallest = (values: readonly number[]): number =>
  values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);

/** The median; for an even count, the mean of the two middle values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] as number) + (sorted[Math.ceil(middle)] as number)) / 2;
}

/** The sample standard deviation; undefined for fewer than two values. */
export function deviation(values: readonly number[]): number | undefined {
  if (values.length < 2) return undefined;
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
}

/** A fraction in percent: 0.654 → "65.4 %". `digits`: after the point. */
export const percent = (fraction: number, digits = 1): string => `${(100 * fraction).toFixed(digits)} %`;

/** Mean and standard deviation of fractions, in percent: mean 0.654 and deviation 0.05 → "65.4 ± 5.0". */
export function percentOf(values: readonly number[]): string {
  const spread = deviation(values);
  return (100 * mean(values)).toFixed(1) + (spread === undefined ? '' : ` ± ${(100 * spread).toFixed(1)}`);
}

/** P(X ≥ successes) for a binomial X with this number of trials and this probability of success, in (0, 1). */
export function probabilityOfAtLeast(successes: number, trials: number, probability: number): number {
  const odds = Math.log(probability) - Math.log1p(-probability);
  let logarithm = trials * Math.log1p(-probability);
  let sum = 0;
  for (let k = 0; k <= trials; k++) {
    if (k >= successes) sum += Math.exp(logarithm);
    logarithm += Math.log((trials - k) / (k + 1)) + odds;
  }
  return Math.min(1, sum);
}

/** A mean with its 95 % interval. */
export interface Interval {
  /** The mean. */
  readonly mean: number;
  /** The lower end of the interval. */
  readonly low: number;
  /** The upper end of the interval. */
  readonly high: number;
}

/** The mean's interval by Student's t with n − 1 degrees of freedom; undefined for fewer than two values. */
export function intervalOf(values: readonly number[]): Interval | undefined {
  const spread = deviation(values);
  if (spread === undefined) return undefined;
  const centre = mean(values);
  const reach = (studentT(values.length - 1) * spread) / Math.sqrt(values.length);
  return { mean: centre, low: centre - reach, high: centre + reach };
}

/**
 * The 95 % interval of a probability after `successes` in `trials` (Wilson's score interval); both ends lie in [0, 1].
 */
export function probabilityInterval(successes: number, trials: number): Interval {
  const [z, share] = [1.959964, successes / trials];
  const scale = 1 + z ** 2 / trials;
  const centre = (share + z ** 2 / (2 * trials)) / scale;
  const reach = (z / scale) * Math.sqrt((share * (1 - share)) / trials + (z / (2 * trials)) ** 2);
  return { mean: share, low: Math.max(0, centre - reach), high: Math.min(1, centre + reach) };
}

/**
 * The t for which P(|T| ≤ t) = 0.95, for a whole number of degrees of freedom: 12.706 for 1, and 1.960 in the limit.
 * Found by bisection over θ = atan(t / √freedom): `probabilityWithin` rises from 0 at θ = 0 to 1 at θ = π/2.
 */
export function studentT(freedom: number): number {
  let [low, high] = [0, Math.PI / 2];
  for (let halving = 0; halving < 60; halving++) {
    const middle = (low + high) / 2;
    if (probabilityWithin(middle, freedom) < 0.95) low = middle;
    else high = middle;
  }
  return Math.sqrt(freedom) * Math.tan(low);
}

/**
 * P(|T| ≤ √freedom tan θ), exact: Abramowitz and Stegun, 26.7.3 and 26.7.4. With c = cos θ, s = sin θ and ν = freedom:
 * - ν odd: 2/π (θ + s (c + 2/3 c³ + (2·4)/(3·5) c⁵ + … up to c^(ν−2)));
 * - ν even: s (1 + 1/2 c² + (1·3)/(2·4) c⁴ + … up to c^(ν−2)).
 */
function probabilityWithin(angle: number, freedom: number): number {
  const cosine = Math.cos(angle);
  const odd = freedom % 2 === 1;
  let term = odd ? cosine : 1;
  let sum = 0;
  for (let power = odd ? 1 : 0; power <= freedom - 2; power += 2) {
    sum += term;
    term *= ((power + 1) / (power + 2)) * cosine ** 2;
  }
  return odd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
}
