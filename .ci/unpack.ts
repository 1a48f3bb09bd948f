/**
 * Debian's packages without installing them: apt-get downloads them from the machine's own mirrors, with lists of its
 * own, and they are unpacked into the user's cache. The system stays as it is.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { onPath } from '../setup/apt.mjs';
import { filesBelow } from '../setup/files.mjs';

/** Returns the folder of a check's downloads. */
export function cacheFolder(check: string, env = process.env): string {
  return join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'l2t-native', check);
}

function run(command: string, args: readonly string[], cwd?: string): string {
  const child = spawnSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
  if (child.status === 0) return child.stdout;
  const reason = (child.stderr || child.error?.message || '').trim().split('\n').slice(-3).join(' ');
  throw new Error(`${command} ${args.at(-1)} failed: ${reason}`);
}

/** Lines of an apt sources file: each mirror of the machine, with the given sections. */
export function sourcesWith(sections: readonly string[], targets: string): string[] {
  const lines = targets.split('\n').flatMap((line) => {
    const [uri = '', release = '', section = '', key = ''] = line.split('|');
    if (!/^https?:/.test(uri) || section !== 'main') return [];
    return `deb ${key === '' ? '' : `[signed-by=${key}] `}${uri} ${release} ${sections.join(' ')}`;
  });
  return [...new Set(lines)];
}

/** Options that keep apt-get and apt-cache away from the machine's own state. */
function privateApt(folder: string, sections: readonly string[], settings: readonly string[]): string[] {
  const sources = join(folder, 'sources.list');
  const format = ['REPO_URI', 'RELEASE', 'COMPONENT', 'SIGNED_BY'].map((name) => `$(${name})`).join('|');
  const targets = run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']);
  const lines = sourcesWith(sections, targets);
  if (lines.length === 0) throw new Error('apt-get has no mirror of Debian to ask');
  for (const name of ['lists/partial', 'archives/partial']) mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(sources, `${lines.join('\n')}\n`);
  const all = [
    ...[`Dir::Etc::SourceList=${sources}`, 'Dir::Etc::SourceParts=/dev/null', `Dir::State::Lists=${folder}/lists`],
    ...[`Dir::Cache=${folder}`, `Dir::Cache::Archives=${folder}/archives`, 'APT::Sandbox::User=root'],
    ...settings,
  ];
  return all.flatMap((setting) => ['-o', setting]);
}

/** Settings of apt for another architecture, as if no package were installed. */
function foreign(architecture: string, folder: string): string[] {
  const status = join(folder, 'status');
  mkdirSync(folder, { recursive: true });
  writeFileSync(status, '');
  return [
    ...[`APT::Architecture=${architecture}`, `APT::Architectures=${architecture}`, `Dir::State::status=${status}`],
    // The lock of dpkg is the root's, and nothing is installed.
    'Debug::NoLocking=1',
  ];
}

/** Throws where the mirrors do not offer a package. */
function requireOffered(options: readonly string[], packages: readonly string[], where: string): void {
  const offered = run('apt-cache', [...options, 'policy', ...packages]);
  const missing = packages.filter((name) => !new RegExp(`^${name}:\n.*\n  Candidate: \\d`, 'm').test(offered));
  if (missing.length > 0) throw new Error(`the mirrors of this machine offer no ${missing.join(', ')} ${where}`);
}

interface Unpacking {
  /** The packages are unpacked into its folder root. */
  readonly cache: string;
  /** To unpack alone. */
  readonly packages: readonly string[];
  /** To unpack with all that they depend on, which takes an `architecture`. */
  readonly complete?: readonly string[];
  readonly architecture?: string;
  readonly sections?: readonly string[];
  /** In words. */
  readonly size: { readonly download: string; readonly unpacked: string };
  readonly say: (line: string) => void;
}

/** Downloads packages and unpacks them. */
export function unpackPackages({ cache, packages, complete = [], size, say, ...unpacking }: Unpacking): void {
  const { architecture, sections = ['main'] } = unpacking;
  if (!onPath('apt-get') || !onPath('dpkg')) throw new Error('it needs Debian: there is no apt-get and dpkg');
  const apt = join(cache, 'apt');
  const unpacked = join(cache, 'unpacking');
  rmSync(unpacked, { recursive: true, force: true });
  mkdirSync(join(unpacked, 'packages'), { recursive: true });
  const options = privateApt(apt, sections, architecture === undefined ? [] : foreign(architecture, apt));
  const where = architecture === undefined ? `in ${sections.join(', ')}` : `for ${architecture}`;
  say(`reading the package lists ${where}`);
  run('apt-get', [...options, 'update', '-q']);
  requireOffered(options, [...packages, ...complete], where);
  say(`downloading ${[...packages, ...complete].join(' ')} (${size.download})`);
  run('apt-get', [...options, 'download', '-q', ...packages], join(unpacked, 'packages'));
  if (complete.length > 0) {
    const quiet = ['-q', '-y', '--no-install-recommends', '--download-only'];
    run('apt-get', [...options, 'install', ...quiet, ...complete]);
  }
  say(`unpacking them (${size.unpacked})`);
  const files = [join(unpacked, 'packages'), join(apt, 'archives')].flatMap((folder) => filesBelow(folder));
  for (const file of files.filter((path) => path.endsWith('.deb'))) run('dpkg', ['-x', file, join(unpacked, 'root')]);
  renameSync(join(unpacked, 'root'), join(cache, 'root'));
  for (const folder of [unpacked, apt]) rmSync(folder, { recursive: true });
}
