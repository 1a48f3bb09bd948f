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
    expect(text).toMatch(/--method <name> [^;]*; one of l2t-ww, .*, scratch --pairs/);
    expect(text).toContain(
      "--target-init <checkpoint> weights of the target's network to start from (the seed's) --meta-batch",
    );
  });

  it('says it of verbs with options of their own', async () => {
    expect(await help('demo')).toContain('--seeds <n> runs of each method (3; 1 with --quick); from 1 to 100');
    expect(await help('bench')).toContain('--rounds <n> timed iterations of each engine (5); from 1 to 1000');
  });
});
