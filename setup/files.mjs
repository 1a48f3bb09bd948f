/** The files of the package, and what is up to date: by names, sizes and times, so it takes milliseconds. Plain Node. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, openSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const packageRoot = fileURLToPath(new URL('..', import.meta.url));

/**
 * A file's or folder's time of change and size; 'absent' if it isn't there.
 * @param {string} path
 */
export function modified(path) {
  try {
    const { mtimeMs, size } = statSync(path);
    return `${mtimeMs}/${size}`;
  } catch {
    return 'absent';
  }
}

/**
 * Every file below `folder`, sorted, as paths that begin with `folder`; folders named in `skip` are left out.
 * @param {string} folder
 * @param {readonly string[]} [skip]
 * @returns {string[]}
 */
export function filesBelow(folder, skip = []) {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries
    .filter((entry) => !skip.includes(entry.name))
    .flatMap((entry) => (entry.isDirectory() ? filesBelow(join(folder, entry.name), skip) : join(folder, entry.name)))
    .sort();
}

/**
 * One hash over the names, sizes and times of files.
 * @param {readonly string[]} paths
 */
export function fingerprint(paths) {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(`${path}\0${modified(path)}\n`);
  return hash.digest('hex');
}

/**
 * The content of a JSON file; undefined if it cannot be read.
 * @param {string} path
 */
export function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * @param {string} path
 * @param {unknown} value
 */
export function writeJson(path, value) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}

/**
 * Takes the kernel's lock on a file. Calls `onWait` and waits while another process holds it. The lock ends with the
 * process that took it, also if that is killed. Returns the descriptor that holds it; undefined if the file cannot be
 * written. Without util-linux's flock, or on a file system without locks, nothing is locked.
 * @param {string} path
 * @param {() => void} onWait
 */
export function takeLock(path, onWait) {
  let file;
  try {
    // Network file systems lock only what is open for writing.
    file = openSync(path, 'r+');
  } catch {
    return undefined;
  }
  /** @type {import('node:child_process').StdioOptions} */
  const stdio = ['ignore', 'ignore', 'ignore', file];
  // flock locks the file that this process has opened, so the lock stays after flock has ended.
  const isHeld = spawnSync('flock', ['-n', '3'], { stdio }).status === 1;
  if (isHeld) {
    onWait();
    spawnSync('flock', ['3'], { stdio });
  }
  return file;
}
