import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../../setup/files.mjs';
import { addon, type NamedTensor } from '../../../src/native/addon.js';
import { loopback } from '../../../src/ranks/environment.js';
import { freePort } from '../../../tools/free-port.js';
import { cases, computeCases } from './cases.js';
import { batches, type Changes, differences, trained, unlabelled, values } from './iterations.js';

const size = 3;
const joins = addon().groups();
const others: ChildProcess[] = [];
let oneProcess: NamedTensor[][];
let shared: NamedTensor[][];

// This process is rank 0.
beforeAll(async () => {
  oneProcess = await computeCases();
  if (!joins) return;
  const port = await freePort();
  const config = (rank: number) => ({ rank, size, host: loopback, port, timeout: 120 });
  const program = fileURLToPath(new URL('rank.ts', import.meta.url));
  for (let rank = 1; rank < size; rank++) {
    const args = ['--import', 'tsx', program, JSON.stringify(config(rank))];
    others.push(spawn(process.execPath, args, { cwd: packageRoot, stdio: ['ignore', 'ignore', 'inherit'] }));
  }
  shared = await computeCases(config(0));
}, 300_000);

afterAll(() => {
  for (const child of others) child.kill();
});

const without = joins ? '' : ' (one process alone: this build has no c10d)';

describe(`losses, θ, momentum and φ are, in float64, what automatic differentiation gives${without}`, () => {
  it.each(cases.map(([method, changes], k) => ({ k, method, changes, what: Object.keys(changes).join(', ') })))(
    '$method $what',
    async ({ k, method, changes }) => {
      const truth = await (await trained(method, changes))('autograd');
      expect(differences(method, oneProcess[k] as NamedTensor[], truth), 'one process').toEqual([]);
      if (joins) expect(differences(method, shared[k] as NamedTensor[], truth), `${size} processes`).toEqual([]);
    },
  );
});

it('another judge, weights and smoothed labels change the meta-objective', async () => {
  const objective = async (changes: Changes) => {
    const tensors = await (await trained('l2t-ww', changes))('autograd');
    return values(tensors.find(({ name }) => name === 'iteration0/meta/objective'))[0];
  };
  const plain = await objective({});
  for (const changes of [
    { images: batches('judge_') },
    { images: unlabelled() },
    { classWeights: [0.4, 2, 0, 1.6] },
    { settings: { labelSmoothing: 0.1 } },
  ])
    expect(await objective(changes)).not.toBe(plain);
});
