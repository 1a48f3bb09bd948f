/**
 * Debian's LibTorch with CUDA, beside the one that is installed: the packages conflict, so apt-get only downloads them,
 * from the machine's own mirrors with the sections contrib and non-free, and they are unpacked into the user's cache.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { onPath } from './apt.mjs';
import { filesBelow } from './stamps.mjs';

const packages = [
  ...['libtorch-cuda-2.6', 'libtorch-cuda-dev', 'libgloo-cuda-0', 'libtensorpipe-cuda-0'],
  ...['libcudart12', 'libnvtoolsext1'],
];

/** Where check:cuda keeps what it downloads: 1.5 GB. */
export function cacheFolder(env = process.env) {
  return join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'l2t-native/check-cuda');
}

function run(command, args, cwd) {
  const child = spawnSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
  if (child.status === 0) return child.stdout;
  const said = (child.stderr || child.error?.message || '').trim().split('\n').slice(-3).join(' ');
  throw new Error(`${command} ${args.at(-1)} failed: ${said}`);
}

/** Lines of an apt sources file: each mirror of the machine, with the sections that hold CUDA. */
export function sourcesWithCuda(targets) {
  const lines = targets.split('\n').flatMap((line) => {
    const [uri = '', release = '', section = '', key = ''] = line.split('|');
    if (!/^https?:/.test(uri) || section !== 'main') return [];
    return `deb ${key === '' ? '' : `[signed-by=${key}] `}${uri} ${release} main contrib non-free`;
  });
  return [...new Set(lines)];
}

/** Options that keep apt-get and apt-cache away from the machine's own state. */
function privateApt(folder) {
  const sources = join(folder, 'sources.list');
  const format = ['REPO_URI', 'RELEASE', 'COMPONENT', 'SIGNED_BY'].map((name) => `$(${name})`).join('|');
  const lines = sourcesWithCuda(run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']));
  if (lines.length === 0) throw new Error('apt-get has no mirror of Debian to ask');
  for (const name of ['lists/partial', 'archives/partial']) mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(sources, `${lines.join('\n')}\n`);
  const settings = [
    ...[`Dir::Etc::SourceList=${sources}`, 'Dir::Etc::SourceParts=/dev/null', `Dir::State::Lists=${folder}/lists`],
    ...[`Dir::Cache=${folder}`, `Dir::Cache::Archives=${folder}/archives`, 'APT::Sandbox::User=root'],
  ];
  return settings.flatMap((setting) => ['-o', setting]);
}

/** Throws where the mirrors do not offer a package. */
function requireOffered(options) {
  const offered = run('apt-cache', [...options, 'policy', ...packages]);
  const missing = packages.filter((name) => !new RegExp(`^${name}:\n.*\n  Candidate: \\d`, 'm').test(offered));
  if (missing.length > 0) {
    throw new Error(`the mirrors of this machine offer no ${missing.join(', ')} in contrib and non-free`);
  }
}

function download(cache, say) {
  if (!onPath('apt-get') || !onPath('dpkg')) throw new Error('it needs Debian: there is no apt-get and dpkg');
  const apt = join(cache, 'apt');
  const unpacked = join(cache, 'unpacking');
  rmSync(unpacked, { recursive: true, force: true });
  mkdirSync(join(unpacked, 'packages'), { recursive: true });
  const options = privateApt(apt);
  say('reading the package lists of contrib and non-free');
  run('apt-get', [...options, 'update', '-q']);
  requireOffered(options);
  say(`downloading ${packages.join(' ')} (485 MB)`);
  run('apt-get', [...options, 'download', '-q', ...packages], join(unpacked, 'packages'));
  say('unpacking them (1.5 GB)');
  for (const file of filesBelow(join(unpacked, 'packages'))) run('dpkg', ['-x', file, join(unpacked, 'root')]);
  renameSync(join(unpacked, 'root'), join(cache, 'root'));
  for (const folder of [unpacked, apt]) rmSync(folder, { recursive: true });
}

/** The LibTorch's folder, downloaded at the first call: { prefix, libraries }, the latter in the order of a search. */
export function cudaLibTorch(say, cache = cacheFolder()) {
  const prefix = join(cache, 'root/usr');
  if (existsSync(prefix)) say(`LibTorch with CUDA is in ${cache}`);
  else download(cache, say);
  return { prefix, libraries: [join(prefix, 'lib/x86_64-linux-gnu'), join(prefix, 'lib')] };
}
