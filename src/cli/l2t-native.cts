#!/usr/bin/env node
// The command. It is CommonJS, because Node reads ES modules on libuv's pool, whose size is fixed at its first use.
import fs = require('node:fs');
import os = require('node:os');

/** The size of the pool, on which images are decoded. */
const poolSize = Math.max(4, os.availableParallelism());

/**
 * libuv ends the process if it cannot start all threads of the pool. So it takes at most a quarter of the threads that
 * this process may start; a run and its decoders need the others.
 */
process.env.UV_THREADPOOL_SIZE ??= String(
  Math.max(1, Math.min(poolSize, Math.floor(Math.min(leftToUser(), leftToContainer()) / 4))),
);

/** Address space that loading the program takes, bytes. With less, V8 ends the process and prints a stack. */
const loading = 450e6;

if (addressSpaceLeft() >= loading) import('./main.js');
else {
  process.stderr.write(
    'error[OUT_OF_MEMORY]: Out of memory: the address space is limited (ulimit -v) to too little to load the program. Raise the limit.\n',
  );
  process.exitCode = 1;
}

function addressSpaceLeft(): number {
  const limit = numberIn('/proc/self/limits', /^Max address space\s+(\d+)/m) ?? Number.POSITIVE_INFINITY;
  return limit - 1024 * (numberIn('/proc/self/status', /^VmSize:\s*(\d+) kB/m) ?? 0);
}

function leftToUser(): number {
  const limit = numberIn('/proc/self/limits', /^Max processes\s+(\d+)/m) ?? Number.POSITIVE_INFINITY;
  const user = process.getuid?.();
  // Root has no limit. With a high limit, counting is not worth the time.
  if (user === 0 || limit > 10_000) return Number.POSITIVE_INFINITY;
  const processes = namesIn('/proc').filter((name) => /^\d+$/.test(name));
  const own = processes.filter((name) => numberIn(`/proc/${name}/status`, /^Uid:\s+(\d+)/m) === user);
  return own.reduce((left, name) => left - (numberIn(`/proc/${name}/status`, /^Threads:\s+(\d+)/m) ?? 0), limit);
}

function leftToContainer(): number {
  const limit = numberIn('/sys/fs/cgroup/pids.max', /^(\d+)/) ?? Number.POSITIVE_INFINITY;
  return limit - (numberIn('/sys/fs/cgroup/pids.current', /^(\d+)/) ?? 0);
}

function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch {
    return [];
  }
}

/** Returns the number that a pattern finds in a file of the system; undefined if there is none. */
function numberIn(path: string, pattern: RegExp): number | undefined {
  try {
    const found = pattern.exec(fs.readFileSync(path, 'utf8'))?.[1];
    return found === undefined ? undefined : Number(found);
  } catch {
    return undefined;
  }
}
