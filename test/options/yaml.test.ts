import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { yamlOptions } from '../../src/options/options-file.js';
import { transferSchema } from '../../src/options/schemas.js';
import { parseYaml } from '../../src/options/yaml.js';
import { parseRecord } from '../../src/store/record.js';
import { temporaryFolder, write } from '../tiny.js';

const folder = temporaryFolder();

const warned = vi.fn();
beforeEach(() => {
  warned.mockClear();
  vi.spyOn(process, 'emitWarning').mockImplementation(warned);
});
afterEach(() => vi.restoreAllMocks());

describe('YAML of a person or of a run folder', () => {
  it.each([
    ['a tag that is not known', 'batch: !6\n'],
    ['a tag whose value is not of its kind', 'batch: !!int x\n'],
    ['a tag of a program', 'data: !!js/function x\n'],
    ['a map as a key', '? [a, b]\n: 1\n'],
    ['an alias', 'data: &a x\ntarget: *a\n'],
    ['bytes', 'source: !!binary AAAA\n'],
    ['a key that comes twice', 'batch: 3\nbatch: 4\n'],
    ['a number that may be a name', 'classes: [01, 02]\n'],
    ['a number of another base', 'classes: 0x10\n'],
  ])('%s is an error, and nothing is printed', async (name, text) => {
    const file = write(folder, `${name.replaceAll(' ', '-')}.yaml`, text);
    await expect(yamlOptions(transferSchema, file)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    expect(() => parseRecord(text, file)).toThrow(expect.objectContaining({ code: 'INVALID_RUN' }));
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
