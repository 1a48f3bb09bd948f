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

/** Address space that loading the program takes, bytes. V8 ends the process, with a stack, where it gets less. */
const loading = 450e6;

if (addressSpaceLeft() >= loading) import('./main.js');
else {
  process.stderr.write(
    'error[OUT_OF_MEMORY]: Out of memory: the address space is limited (ulimit -v) to too little to load the program. Raise the limit.\n',
  );
  process.exitCode = 1;
}

function addressSpaceLeft(): number {
  const limit = Number(/^Max address space\s+(\d+)/m.exec(read('/proc/self/limits'))?.[1] ?? Number.POSITIVE_INFINITY);
  const taken = Number(/^VmSize:\s*(\d+) kB/m.exec(read('/proc/self/status'))?.[1] ?? 0) * 1024;
  return limit - taken;
}

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
