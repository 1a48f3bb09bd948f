#!/usr/bin/env node
// The command. It is CommonJS, because Node reads ES modules on libuv's pool, whose size is fixed at its first use.
import fs = require('node:fs');
import os = require('node:os');

/** Images are decoded on that pool. */
const wanted = Math.max(4, os.availableParallelism());

/**
 * libuv ends the process if it cannot start all of them. So the pool takes at most a quarter of the threads that are
 * left; a run and its decoders need the others.
 */
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(1, Math.min(wanted, Math.floor(threadsLeft() / 4))));

import('./main.js');

/** How many threads this process may start. */
function threadsLeft(): number {
  return Math.min(leftToUser(), leftToContainer());
}

function leftToUser(): number {
  const limit = Number(/^Max processes\s+(\d+)/m.exec(read('/proc/self/limits'))?.[1] ?? Number.POSITIVE_INFINITY);
  const user = process.getuid?.();
  // Root has no limit. With a high limit, counting is not worth the time.
  if (user === 0 || limit > 10_000) return Number.POSITIVE_INFINITY;
  let taken = 0;
  for (const name of processes()) {
    if (!/^\d+$/.test(name)) continue;
    const status = read(`/proc/${name}/status`);
    if (Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]) === user)
      taken += Number(/^Threads:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  }
  return limit - taken;
}

function leftToContainer(): number {
  const limit = Number(read('/sys/fs/cgroup/pids.max') || Number.NaN);
  const taken = Number(read('/sys/fs/cgroup/pids.current'));
  return Number.isFinite(limit) ? limit - taken : Number.POSITIVE_INFINITY;
}

function processes(): string[] {
  try {
    return fs.readdirSync('/proc');
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
