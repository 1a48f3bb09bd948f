import { optionNames } from './option-names.js';

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
