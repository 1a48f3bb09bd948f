/** The two largest units: 2 d 3 h. */
export function duration(seconds: number): string {
  const units = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ] as const;
  const first = units.findIndex(([, length]) => seconds >= length);
  if (first === -1) return 'less than 1 s';
  const parts = units.slice(first, first + 2).map(([unit, length], k) => {
    const within = k === 0 ? seconds : seconds % (units[first]?.[1] ?? 1);
    return `${Math.floor(within / length)} ${unit}`;
  });
  return parts.join(' ');
}
