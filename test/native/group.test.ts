import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';
import { addon, type NamedTensor } from '../../src/native/addon.js';
import { freePort, loopback } from '../../src/system/free-port.js';
import { computeCases, groupCases } from './group-cases.js';
import { differences, trained } from './iterations.js';

const size = 3;
const joins = addon().groups();
const others: ChildProcess[] = [];
let shared: NamedTensor[][] = [];

// This process is rank 0.
beforeAll(async () => {
  if (!joins) return;
  const port = await freePort();
  const config = (rank: number) => ({ rank, size, host: loopback, port, timeout: 120 });
  for (let rank = 1; rank < size; rank++) {
    const args = ['--import', 'tsx', join(packageRoot, 'test/native/group-rank.ts'), JSON.stringify(config(rank))];
    others.push(spawn(process.execPath, args, { cwd: packageRoot, stdio: ['ignore', 'ignore', 'inherit'] }));
  }
  shared = await computeCases(config(0));
}, 300_000);

afterAll(() => {
  for (const child of others) child.kill();
});

describe.skipIf(!joins)(
  `${size} processes compute, in float64, what automatic differentiation gives for the batch`,
  () => {
    it.each(groupCases.map(([method, changes], k) => ({ k, method, changes, what: Object.keys(changes).join(', ') })))(
      '$method $what',
      async ({ k, method, changes }) => {
        const truth = await (await trained(method, changes))('autograd');
        expect(differences(method, shared[k] as NamedTensor[], truth)).toEqual([]);
      },
    );
  },
);
