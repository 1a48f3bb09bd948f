/** Tells what is up to date by names, sizes and modification times: it takes milliseconds and reads no file. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A file's or folder's time of change and size; 'absent' if it isn't there. */
export function modified(path) {
  try {
    const { mtimeMs, size } = statSync(path);
    return `${mtimeMs}/${size}`;
  } catch {
    return 'absent';
  }
}

/** Every file below `folder`, sorted, as paths that begin with `folder`; folders named in `skip` are left out. */
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

/** One hash over the names, sizes and times of files. */
export function fingerprint(paths) {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(`${path}\0${modified(path)}\n`);
  return hash.digest('hex');
}

export function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

export function writeJson(path, value) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}
