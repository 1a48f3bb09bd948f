import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { readSystem } from './limits.js';

/** The default number of CPU threads: OMP_NUM_THREADS (at most 1024), else `availableCores`. */
export function defaultThreads(env: NodeJS.ProcessEnv = process.env, root = '/'): number {
  const wish = /^\s*(\d+)\s*(?:,.*)?$/.exec(env.OMP_NUM_THREADS ?? '')?.[1];
  if (wish !== undefined && Number(wish) >= 1) return Math.min(Number(wish), 1024);
  return availableCores(root);
}

/** How many cores this process may use: the smaller of its CPU affinity and the container's CPU quota, rounded up. */
export function availableCores(root = '/'): number {
  return Math.max(1, Math.min(availableParallelism(), Math.ceil(cpuQuota(root))));
}

/** The CPU quota, in CPUs, that control groups (version 2 or 1) set for this process; Infinity if there is no limit. */
function cpuQuota(root: string): number {
  const groups = readSystem(join(root, 'proc/self/cgroup'));
  const mount = join(root, 'sys/fs/cgroup');
  const unified = /^0::(\/.*)$/m.exec(groups)?.[1];
  let quota = Number.POSITIVE_INFINITY;
  // The limits of all parent groups apply as well. In a container, the process's own group is the mount itself.
  for (let group = unified ?? '/'; ; group = dirname(group)) {
    const [limit = '', period = ''] = readSystem(join(mount, group, 'cpu.max'))
      .trim()
      .split(' ');
    quota = Math.min(quota, share(limit, period));
    if (group === '/') break;
  }
  const controller = /^\d+:(?:[^:]*,)?cpu(?:,[^:]*)?:(\/.*)$/m.exec(groups)?.[1];
  for (const group of controller === undefined ? [] : [controller, '/']) {
    const at = (file: string) => readSystem(join(mount, 'cpu', group, file)).trim();
    quota = Math.min(quota, share(at('cpu.cfs_quota_us'), at('cpu.cfs_period_us')));
  }
  return quota;
}

const share = (limit: string, period: string): number =>
  Number(limit) > 0 && Number(period) > 0 ? Number(limit) / Number(period) : Number.POSITIVE_INFINITY;
