import { describe, expect, it } from 'vitest';
import { cli } from '../tiny.js';

/** Without the line breaks of its columns. */
const help = async (...verb: string[]) => (await cli([...verb, '--help'])).stdout.replaceAll(/\s+/g, ' ');

describe('help', () => {
  it('says what is allowed for each option, after its default', async () => {
    const text = await help('transfer');
    expect(text).toContain('--seed <n> seed of all random numbers (0); from 0 to 4294967295');
    expect(text).toContain(
      "--temperature <x> temperature of the softmax in lwf's distillation loss (2); above 0 and at most 1000",
    );
    expect(text).toContain('--momentum <x> momentum of SGD (0.9); from 0 and below 1');
    expect(text).toContain('--device <name> where to compute (auto); auto, cpu, cuda or cuda:N');
    expect(text).toMatch(/--method <name> [^;]*; one of l2t-ww, .*, scratch --target/);
    expect(text).toContain(
      "a weights file (safetensors or .pth), a run's folder or a name of source list (the seed's) --meta-batch",
    );
  });

  it('begins with the ten options that people need first and two examples; the others follow in groups', async () => {
    const text = (await cli(['transfer', '--help'])).stdout;
    const [before = '', ...groups] = text.split(/^(?=[A-Z][a-z ]+:$)/m);
    expect(before).toMatch(/^Usage: l2t-native transfer/);
    const flagsOf = (group = '') => [...group.matchAll(/^ {2}(--[\w-]+)/gm)].map(([, flag]) => flag);
    const [examples = '', first] = groups;
    expect(examples.match(/^ {2}l2t-native transfer .*--data .*--target/gm)).toHaveLength(2);
    expect(flagsOf(first).sort()).toEqual(
      'data epochs lr method out per-class seed size source target'.split(' ').map((name) => `--${name}`),
    );
    expect(groups.map((group) => group.split('\n')[0])).toEqual([
      ...[
        'Examples:',
        'Needed first:',
        'Data:',
        'Source:',
        'Method:',
        'Training:',
        'Where it runs:',
        'Output:',
        'Other:',
      ],
    ]);
    const flags = groups.flatMap(flagsOf);
    expect(new Set(flags).size).toBe(flags.length);
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  it('says it of verbs with options of their own', async () => {
    expect(await help('demo')).toContain('--seeds <n> runs of each method (3; 1 with --quick); from 1 to 100');
    expect(await help('bench')).toContain('--rounds <n> timed iterations of each engine (5); from 1 to 1000');
  });
});
