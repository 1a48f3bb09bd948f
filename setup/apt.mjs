/** Debian's package manager: what it offers, and installing from it without questions. Plain Node, no dependency. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/**
 * Returns whether `command` is on the PATH.
 * @param {string} command
 */
export function onPath(command) {
  const folders = (process.env.PATH ?? '').split(':');
  return folders.some((folder) => folder !== '' && existsSync(`${folder}/${command}`));
}

/**
 * How apt-get may be run here: the command's prefix, or the reason why it may not.
 * @returns {{ prefix: string[], reason?: undefined } | { reason: string }}
 */
export function aptAccess() {
  if (process.platform !== 'linux' || !existsSync('/etc/debian_version') || !onPath('apt-get')) {
    return { reason: 'not a Debian or Ubuntu system' };
  }
  if (process.getuid?.() === 0) return { prefix: [] };
  if (!onPath('sudo')) return { reason: 'not root, and there is no sudo' };
  const trial = spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore', timeout: 10_000 });
  return trial.status === 0 ? { prefix: ['sudo', '-n'] } : { reason: 'not root, and sudo asks for a password' };
}

/**
 * The version apt would install, e.g. '2.6.0+dfsg-7', or undefined.
 * @param {string} name
 */
export function aptCandidate(name) {
  const answer = spawnSync('apt-cache', ['policy', name], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
  const version = /Candidate: (\S+)/.exec(answer.stdout ?? '')?.[1];
  return version === '(none)' ? undefined : version;
}

/**
 * @param {readonly string[]} prefix
 * @param {readonly string[]} args
 */
function apt(prefix, args) {
  const command = ['DEBIAN_FRONTEND=noninteractive', 'apt-get', '-y', '-o', 'DPkg::Lock::Timeout=120', ...args];
  const [program = '', ...rest] = [...prefix, 'env', ...command];
  // Everything goes to stderr: stdout belongs to the command that needed the packages.
  return spawnSync(program, rest, { stdio: ['ignore', 2, 2] }).status === 0;
}

/**
 * Refreshes the package lists, then installs `names`.
 * In between it calls `accept`, which returns a reason if what apt offers will not do.
 * Returns undefined, or why nothing was installed.
 * @param {readonly string[]} names
 * @param {(line: string) => void} say
 * @param {() => string | undefined} [accept]
 */
export function aptInstall(names, say, accept = () => undefined) {
  const access = aptAccess();
  if (access.reason !== undefined) return access.reason;
  say('apt-get update');
  // If one source of several cannot be reached, the update fails, but the packages may come from another source.
  if (!apt(access.prefix, ['update', '-q'])) say('apt-get update failed (see above); trying with what is known');
  const refused = accept();
  if (refused !== undefined) return refused;
  const command = ['install', '-q', '--no-install-recommends', ...names];
  say(`apt-get install ${names.join(' ')}`);
  return apt(access.prefix, command) ? undefined : `apt-get install ${names.join(' ')} failed (see above)`;
}
