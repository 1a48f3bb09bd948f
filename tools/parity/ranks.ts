import { type ChildProcess, spawn } from 'node:child_process';
import { L2TError } from '../../src/errors.js';
import { addon, type GroupConfig } from '../../src/native/addon.js';
import { loopback } from '../../src/ranks/environment.js';
import { freePort } from '../free-port.js';

/** Seconds: a case takes a few. */
const timeout = 120;

/** The place of a rank that `withRanks` started; undefined in the process that starts them. */
export function startedRank(env: NodeJS.ProcessEnv = process.env): GroupConfig | undefined {
  const config = env.L2T_PARITY_RANK;
  return config === undefined ? undefined : (JSON.parse(config) as GroupConfig);
}

/**
 * Runs `body` as rank 0 of `size`, while the other ranks run this same command. They write to standard error alone.
 * @throws L2TError DEVICE_UNAVAILABLE where this build cannot join processes; GROUP_FAILED if a rank fails.
 */
export async function withRanks<T>(size: number, body: (group: GroupConfig) => Promise<T>): Promise<T> {
  if (!addon().groups()) throw new L2TError('DEVICE_UNAVAILABLE', 'This build computes in one process only.');
  const port = await freePort();
  const config = (rank: number): GroupConfig => ({ rank, size, host: loopback, port, timeout });
  const others: ChildProcess[] = [];
  for (let rank = 1; rank < size; rank++) {
    const env = { ...process.env, L2T_PARITY_RANK: JSON.stringify(config(rank)) };
    others.push(
      spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
        env,
        stdio: ['ignore', 'ignore', 'inherit'],
      }),
    );
  }
  try {
    return await body(config(0));
  } finally {
    for (const child of others) child.kill();
  }
}
