import { optionNames } from './option-help.js';

/** How messages name options: as the flags of the command line, or as an object of options in TypeScript. */
export type Spelling = 'flags' | 'TypeScript';

let commandLine = false;

/** Returns whether this process is the command line, which names options as flags and shows paths as typed. */
export const isCommandLine = (): boolean => commandLine;

/** Makes this process the command line. Called once, at the start. */
export function beCommandLine(): void {
  commandLine = true;
}

const known = new Set<string>(optionNames.split(' '));

/** Returns an option as a message writes it before it is spelled, `{key}`; `otherwise` if there is no such option. */
export const named = (key: string, otherwise = key): string => (known.has(key) ? `{${key}}` : otherwise);

/**
 * Matches `{width}` or `{engine=native}` if it stands alone like a word. Within a path, a name or quotes, braces are
 * that text's own.
 */
const pattern = /(?<=^|[\s(])\{([a-zA-Z\d]+)(?:=([\w.,:+-]+))?\}(?=[).,:;?!…]*(?:$|\s))/gm;

/** The options that a text names, in its order, each once. */
export const optionsIn = (text: string): string[] => [
  ...new Set([...text.matchAll(pattern)].map(([, key]) => key as string).filter((key) => known.has(key))),
];

/** The text with each option spelled. Braces that hold no known option stay. */
export function spelled(text: string, spelling: Spelling = commandLine ? 'flags' : 'TypeScript'): string {
  const write = spelling === 'flags' ? asFlag : asProperty;
  return text.replaceAll(pattern, (whole: string, key: string, value: string | undefined) =>
    known.has(key) ? write(key, value) : whole,
  );
}

/** `weightDecay` → `--weight-decay`. */
export const flagOf = (key: string): string => `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

function asFlag(key: string, value: string | undefined): string {
  if (value === 'false') return flagOf(key).replace('--', '--no-');
  return value === undefined || value === 'true' ? flagOf(key) : `${flagOf(key)} ${value}`;
}

function asProperty(key: string, value: string | undefined): string {
  if (value === undefined) return key;
  const plain = value === 'true' || value === 'false' || !Number.isNaN(Number(value));
  return `${key}: ${plain ? value : `'${value}'`}`;
}

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
