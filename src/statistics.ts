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
