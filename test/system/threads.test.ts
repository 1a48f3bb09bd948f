import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { defaultThreads } from '../../src/system/threads.js';
import { temporaryFolder, write } from '../tiny.js';

function root(files: Readonly<Record<string, string>>): string {
  const folder = temporaryFolder();
  for (const [path, text] of Object.entries(files)) write(join(folder, dirname(path)), basename(path), text);
  return folder;
}

test.each([
  ['a number', '3', 3],
  ['a list, of which the first counts', '2,1', 2],
])('OMP_NUM_THREADS: %s', (_, value, threads) => {
  expect(defaultThreads({ OMP_NUM_THREADS: value }, root({ 'sys/fs/cgroup/cpu.max': '100000 100000\n' }))).toBe(
    threads,
  );
});

test.each<[string, Readonly<Record<string, string>>]>([
  ['nothing', {}],
  ['no limit', { 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': 'max 100000\n' }],
  ['nonsense', { 'proc/self/cgroup': '??', 'sys/fs/cgroup/cpu.max': '-1 x' }],
])('every core where control groups say %s', (_, files) => {
  expect(defaultThreads({}, root(files))).toBe(availableParallelism());
  expect(defaultThreads({ OMP_NUM_THREADS: 'many' }, root(files))).toBe(availableParallelism());
});

test.each<[string, Readonly<Record<string, string>>]>([
  ["a container's own limit", { 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '100000 100000\n' }],
  ['a part of a core', { 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '20000 100000\n' }],
  [
    'the limit of a group around it',
    {
      'proc/self/cgroup': '0::/a/b\n',
      'sys/fs/cgroup/a/cpu.max': '90000 100000',
      'sys/fs/cgroup/a/b/cpu.max': 'max 1',
    },
  ],
  [
    'version 1',
    {
      'proc/self/cgroup': '4:cpu,cpuacct:/a\n3:cpuset:/\n',
      'sys/fs/cgroup/cpu/a/cpu.cfs_quota_us': '100000\n',
      'sys/fs/cgroup/cpu/a/cpu.cfs_period_us': '100000\n',
    },
  ],
])('one core: %s', (_, files) => {
  expect(defaultThreads({}, root(files))).toBe(1);
});
