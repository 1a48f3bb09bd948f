import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Draw } from './draw.js';

/** What may stand in place of a valid file. */
export const entryDamage = [
  'missing',
  'empty',
  'folder',
  'link to itself',
  'link to nothing',
  'endless device',
  'pipe',
] as const;

export function damageEntry(path: string, draw: Draw): string {
  // A pipe is rare, because making one takes a process.
  const kind = draw.once(10) ? draw.pick(entryDamage) : draw.pick(entryDamage.slice(0, -1));
  rmSync(path, { recursive: true, force: true });
  if (kind === 'empty') writeFileSync(path, '');
  else if (kind === 'folder') mkdirSync(path);
  else if (kind === 'link to itself') symlinkSync(path, path);
  else if (kind === 'link to nothing') symlinkSync(join(dirname(path), 'nothing'), path);
  else if (kind === 'endless device') symlinkSync('/dev/zero', path);
  else if (kind === 'pipe') spawnSync('mkfifo', [path]);
  return kind;
}
