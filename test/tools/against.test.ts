import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { alternate } from '../../tools/against/alternate.js';
import { measurementOf, timesOf } from '../../tools/against/measure.js';
import { type State, stateIn } from '../../tools/against/state.js';
import { temporaryFolder } from '../tiny.js';

/** A checkout whose command prints what `script` says; `words` are the command's. */
async function standIn(script: string): Promise<State> {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'dist'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ bin: { 'l2t-native': 'dist/main.cjs' } }));
  writeFileSync(join(folder, 'dist/main.cjs'), `const words = process.argv.slice(2);\n${script}`);
  return stateIn(folder);
}

const help = "if (words.includes('--help')) { console.log('Cases:\\n  demo: networks'); process.exit(); }\n";
const settings = { iterations: 2, threads: 1 };

describe('two states of the program', { timeout: 60_000 }, () => {
  it('take turns, and each begins every other round', async () => {
    const states = [await standIn(''), await standIn('')] as const;
    const [other, current] = states;
    const order: State[] = [];
    const times = new Map([
      [other, [4, 3, 6]],
      [current, [2, 1, 3]],
    ]);
    const turn = async (state: State) => {
      order.push(state);
      const min = times.get(state)?.shift() as number;
      return { min, median: 2 * min };
    };
    const result = await alternate(states, turn, { ...settings, rounds: 3 });
    expect(order).toEqual([other, current, current, other, other, current]);
    expect(result.other.seconds).toEqual({ min: 3, median: 8 });
    expect(result.ratio).toEqual({ min: 3, median: 2 });
  });

  it('are timed by bench where both know the case, one engine alone', async () => {
    const prints = 'console.log(JSON.stringify({ cases: [{ seconds: { min: 1, median: words.length } }] }));';
    const state = await standIn(help + prints);
    const { turn, how } = await measurementOf('demo', [state, state]);
    expect(how).toBe('bench');
    const words = 'bench --case demo --engines native --rounds 2 --threads 1 --json'.split(' ');
    expect(await turn(state, settings)).toEqual({ min: 1, median: words.length });
  });

  it('are timed by training where one does not know the case, with the flags that it has', async () => {
    const writes = `const { mkdirSync, writeFileSync, readdirSync } = require('node:fs');
const of = (flag) => words[words.indexOf(flag) + 1];
if (words.includes('--no-report') || of('--method') !== 'fm' || of('--epochs') !== '3') process.exit(1);
if (readdirSync(of('--data') + '/train').length !== 10) process.exit(1);
mkdirSync(of('--out'));
const epoch = (seconds) => JSON.stringify({ seconds, steps: 4 });
writeFileSync(of('--out') + '/timing.jsonl', [epoch(100), epoch(8), epoch(4)].join('\\n') + '\\n');`;
    const state = await standIn(help + writes);
    const { turn, how, end } = await measurementOf('fm', [state, state]);
    try {
      expect(how).toMatch(/^transfer --method fm/);
      expect(await turn(state, settings)).toEqual({ min: 1, median: 1.5 });
    } finally {
      end();
    }
  });

  it('need a build each', async () => {
    await expect(stateIn(temporaryFolder())).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(/holds no build of l2t-native/),
    });
  });

  it('begin warm: the first epoch does not count', () => {
    expect(timesOf('{"seconds":9,"steps":1}\n{"seconds":2,"steps":4}\n')).toEqual({ min: 0.5, median: 0.5 });
  });
});
