import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../setup/files.mjs';

/** The documents for users and contributors. */
export const documents: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(packageRoot, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** A command line, or a whole snippet of another language. */
export interface Step {
  /** README.md:51 */
  readonly place: string;
  readonly language: string;
  readonly text: string;
}

export const stepsOf = (document: string): Step[] =>
  stepsIn(readFileSync(join(packageRoot, document), 'utf8'), document);

/** The fenced blocks of a document: each command line of a shell's is a step, and each block of another language. `text` is what a command prints. */
export function stepsIn(text: string, document: string): Step[] {
  const steps: Step[] = [];
  let open: { language: string; line: number; lines: string[] } | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    if (open === undefined) {
      const [, language] = /^ *```(\S*)/.exec(line) ?? [];
      if (language !== undefined) open = { language, line: index + 2, lines: [] };
    } else if (/^ *```/.test(line)) {
      const { language, line: first, lines } = open;
      if (language === 'sh') steps.push(...commandsIn(lines, first, document));
      else if (language !== 'text') steps.push({ place: `${document}:${first}`, language, text: lines.join('\n') });
      open = undefined;
    } else open.lines.push(line);
  }
  return steps;
}

/** The commands, with continued lines joined and comments removed. */
function commandsIn(lines: readonly string[], first: number, document: string): Step[] {
  const steps: Step[] = [];
  let begun: { line: number; text: string } | undefined;
  for (const [index, line] of lines.entries()) {
    const { line: start, text } = begun ?? { line: first + index, text: '' };
    const whole = `${text}${withoutComment(line)}`;
    begun = whole.endsWith('\\') ? { line: start, text: whole.slice(0, -1) } : undefined;
    if (begun === undefined && whole !== '') steps.push({ place: `${document}:${start}`, language: 'sh', text: whole });
  }
  return steps;
}

const withoutComment = (line: string): string => {
  const [{ length: upTo }] = /^(?:'[^']*'|"[^"]*"|(?<!\s)#|[^'"#])*/.exec(` ${line}`) ?? [''];
  return ` ${line}`.slice(1, upTo).trim();
};

/** The words of a command, up to a pipe or a redirection. */
export function wordsOf(command: string): string[] {
  const words = [...command.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map(([word]) => word);
  const end = words.findIndex((word) => /^(?:\||&|;|\d?>)/.test(word));
  return words.slice(0, end === -1 ? undefined : end).map((word) => word.replaceAll(/['"]/g, ''));
}

/** Code in the running text, by document and line. */
export function inlineCodeOf(document: string): { readonly place: string; readonly code: string }[] {
  const lines = readFileSync(join(packageRoot, document), 'utf8').split('\n');
  return lines.flatMap((line, index) =>
    [...line.matchAll(/`([^`]+)`/g)].map(([, code = '']) => ({ place: `${document}:${index + 1}`, code })),
  );
}
