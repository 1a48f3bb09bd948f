const units = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
] as const;

/** The two largest units: 2 d 3 h. */
export function duration(seconds: number): string {
  const first = units.findIndex(([, length]) => seconds >= length);
  if (first === -1) return 'less than 1 s';
  const within = (k: number) => (k === first ? seconds : seconds % (units[k - 1]?.[1] ?? 1));
  return units
    .map(([unit, length], k) => `${Math.floor(within(k) / length)} ${unit}`)
    .slice(first, first + 2)
    .join(' ');
}
