/** Returns the Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitute, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** Returns ` Did you mean 'x'?` if one of the known names is similar to `given`; else ''. */
export function didYouMean(given: string, known: readonly string[]): string {
  const plain = (text: string) => text.slice(0, 60).toLowerCase().replaceAll(/[-_]/g, '');
  const ranked = known
    .map((name) => ({ name, away: distance(plain(given), plain(name)) }))
    .sort((a, b) => a.away - b.away);
  const best = ranked[0];
  return best && best.away <= Math.max(1, Math.floor(0.4 * best.name.length)) ? ` Did you mean '${best.name}'?` : '';
}
