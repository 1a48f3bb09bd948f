export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** The sample's standard deviation; undefined of a single value. */
export function deviation(values: readonly number[]): number | undefined {
  if (values.length < 2) return undefined;
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
}

/** 0.654 and 0.05 → "65.4 ± 5.0": a mean of shares and its spread, percent. */
export function percentOf(values: readonly number[]): string {
  const spread = deviation(values);
  return (100 * mean(values)).toFixed(1) + (spread === undefined ? '' : ` ± ${(100 * spread).toFixed(1)}`);
}

/** P(X ≥ successes), X binomial of so many trials, each a success with the probability in (0, 1). */
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
