import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { transferSchema } from '../../src/options/schemas.js';
import { parseYaml, yamlOptions } from '../../src/options/yaml.js';
import { parseRecord } from '../../src/store/record.js';
import { failureOf } from '../outcomes.js';
import { temporaryFolder, write } from '../tiny.js';

const folder = temporaryFolder();

const warned = vi.fn();
beforeEach(() => {
  warned.mockClear();
  vi.spyOn(process, 'emitWarning').mockImplementation(warned);
});
afterEach(() => vi.restoreAllMocks());

describe('YAML of a person or of a run folder', () => {
  /** Ten tens of tens …: 10¹⁰ words, were it followed. */
  const aliasBomb = [
    'a0: &a0 [x]',
    ...Array.from({ length: 10 }, (_, k) => `a${k + 1}: &a${k + 1} [${Array(10).fill(`*a${k}`)}]`),
  ].join('\n');

  it.each([
    ['batch: !6\n', 'Unresolved tag: !6 at line 1, column 8. Leave the tag out.'],
    ['batch: !!int x\n', 'Unresolved tag: tag:yaml.org,2002:int at '],
    ['data: !!js/function x\n', 'Unresolved tag: tag:yaml.org,2002:js/function at '],
    ['source: !!binary AAAA\n', 'Unresolved tag: tag:yaml.org,2002:binary at '],
    ['? [a, b]\n: 1\n', 'a key is no text.'],
    ['batch: 3\nbatch: 4\n', "the key 'batch' comes twice at line 2, column 1."],
    ['classes: [01, 02]\n', '01 at line 1, column 11 would be the number 1: put it in quotes if it is a name.'],
    ['classes: 0x10\n', '0x10 at line 1, column 10 would be the number 16: '],
    ['a: [', 'Flow sequence '],
    ['a: 1\n---\nb: 1', 'it holds several documents (---): keep one.'],
    [aliasBomb, 'its aliases (*name) do not exist, or are too many.'],
  ])('%j is one sentence, and nothing else is printed', async (text, problem) => {
    const file = write(folder, 'options.yaml', text);
    const errors = [await failureOf(yamlOptions(transferSchema, file)), await failureOf(() => parseRecord(text, file))];
    expect(errors[0]).toContain(`INVALID_OPTION ${file} is no valid YAML: ${problem}`);
    expect(errors[1]).toContain(`INVALID_RUN ${file} is damaged: ${problem}`);
    expect(errors.join('')).not.toContain('\n');
    expect(warned).not.toHaveBeenCalled();
  });

  // Some of these ended the process, or took minutes.
  it.each([
    ['{"a":', 'nested more than 32 deep'],
    ['[', 'nested more than 32 deep'],
    ['? ', 'nested more than 32 deep'],
    ['- ', 'nested more than 32 deep'],
    ['!a ', 'at most one tag'],
    ['"', 'quoted'],
    ['a: 1\n', "the key 'a' comes twice at line 2"],
    [`${'x'.repeat(20)}\n`, '1000000 characters, of which at most'],
  ])(
    '%j again and again is refused soon',
    (text, problem) => {
      const length = problem.includes('characters') ? 1_000_000 + 50_000 : 100_000;
      expect(() => parseYaml(text.repeat(length / text.length))).toThrow(problem.replace('1000000', String(length)));
    },
    20_000,
  );

  it('brackets in a text are no depth', () => {
    expect(parseYaml(`a: "${'['.repeat(100)}" # ${'{'.repeat(100)}\nb: |-\n  ${'- '.repeat(100)}x`)).toEqual({
      a: '['.repeat(100),
      b: `${'- '.repeat(100)}x`,
    });
  });

  it('plain options are read', async () => {
    const file = write(folder, 'plain.yaml', '# a run\nbatch: 16\npairs: "8-3,5-1"\nstrict: true\n');
    await expect(yamlOptions(transferSchema, file)).resolves.toEqual({ batch: 16, pairs: '8-3,5-1', strict: true });
  });
});
