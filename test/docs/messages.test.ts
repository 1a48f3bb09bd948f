import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';
import { spelled } from '../../src/options/spelling.js';

/** The program's text as the command line prints it, with strings that are written in pieces put together. */
const program = ['src', 'native', 'binding', 'setup']
  .flatMap((room) => readdirSync(join(packageRoot, room), { recursive: true }).map((file) => join(room, String(file))))
  .filter((file) => /\.(ts|mjs|cc|h)$/.test(file))
  .map((file) => readFileSync(join(packageRoot, file), 'utf8'))
  .join('\n')
  .replaceAll(/['"`](?: \+)?\s*\n?\s*['"`]/g, '')
  .replaceAll(/\\(['"`])/g, '$1')
  .replaceAll(/(?<!\$)\{\w+(=[\w-]+)?\}/g, (option) => spelled(option, 'flags'))
  .replaceAll(/\$\{resumeCommand\([^`]*?\)\}/g, 'l2t-native … --resume …');

/** The parts of a message that the program does not have. `…` stands for what differs from time to time. */
function missingParts(message: string): string[] {
  const [, code = '', text = message] = /^(?:error\[(\w+)\]|warning): (.*)$/.exec(message) ?? [];
  const parts = text.split('…').map((part) => part.replace(/\.$/, '').trim());
  return [code, ...parts].filter((part) => /\w{3}/.test(part) && !program.includes(part));
}

describe('the messages in docs/errors.md', () => {
  const lines = readFileSync(join(packageRoot, 'docs/errors.md'), 'utf8').split('\n');
  const messages = lines.filter((line) => line.startsWith('> ')).map((line) => line.slice(2));

  it.each(messages)('%s', (message) => {
    expect(missingParts(message)).toEqual([]);
  });

  it('a message that the program does not have is seen', () => {
    expect(messages.length).toBeGreaterThan(15);
    expect(missingParts('error[NO_SUCH]: The run was interrupted; … nothing is lost')).toEqual([
      'NO_SUCH',
      'nothing is lost',
    ]);
  });
});
