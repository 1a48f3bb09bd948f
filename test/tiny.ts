import { type ChildProcess, type ExecFileOptions, execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addon, type NetworkSpec } from '../src/native/addon.js';
import { type Checkpoint, saveCheckpoint } from '../src/networks/checkpoint.js';
import { imagenetNormalisation } from '../src/options/networks.js';
import { flagOf } from '../src/options/spelling.js';

/** A data set, a source and options with which a run takes seconds. */

export const main = fileURLToPath(new URL('../dist/cli/l2t-native.cjs', import.meta.url));

export const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), 'l2t-test-'));

/** A path of a new folder at which there is nothing yet. */
export const newPath = (name = 'run'): string => join(temporaryFolder(), name);

const side = 28;

function idx(magic: number, sizes: readonly number[], values: Uint8Array): Buffer {
  const head = Buffer.alloc(4 * (1 + sizes.length));
  [magic, ...sizes].forEach((value, i) => {
    head.writeUInt32BE(value, 4 * i);
  });
  return Buffer.concat([head, values]);
}

/** IDX files of three classes, told apart by where the images are bright; the pixels are a fixed pattern. */
export function tinyData(perClass = 12): string {
  const folder = temporaryFolder();
  for (const [split, count] of [
    ['train', 3 * perClass],
    ['t10k', 30],
  ] as const) {
    const labels = Uint8Array.from({ length: count }, (_, i) => i % 3);
    const pixels = new Uint8Array(count * side * side).map((_, i) => {
      const image = Math.floor(i / (side * side));
      const bright = Math.floor((i % side) / 10) === image % 3 ? 150 : 0;
      return bright + (Math.imul(i, 2654435761) >>> 26);
    });
    writeFileSync(join(folder, `${split}-images-idx3-ubyte`), idx(2051, [count, side, side], pixels));
    writeFileSync(join(folder, `${split}-labels-idx1-ubyte`), idx(2049, [count], labels));
  }
  writeFileSync(join(folder, 'classes.txt'), 'left\nmiddle\nright\n');
  return folder;
}

/** A source with random weights: its accuracy does not matter here. Its classes are numbered, or have the names. */
export async function tinySource(
  changes: Partial<NetworkSpec> = {},
  { size = 32, normalisation = imagenetNormalisation, names = [] as readonly string[] } = {},
): Promise<string> {
  const path = join(temporaryFolder(), 'source.safetensors');
  const network = { name: 'resnet20', classes: names.length || 4, width: 1, ...changes } as Checkpoint['network'];
  const weights = addon().initialise(network, 1);
  const classNames = Array.from({ length: network.classes }, (_, k) => names[k] ?? `class ${k}`);
  await saveCheckpoint(path, { network, size, classNames, normalisation, weights });
  return path;
}

export const tinyOptions = {
  target: 'vgg9_bn',
  width: 0.125,
  epochs: 2,
  batch: 6,
  threads: 1,
  lr: 0.01,
  pairs: '8-3,5-1',
} as const;

/** Options as flags of the command line; a list repeats its flag. */
export const flagsOf = (options: object): string[] =>
  Object.entries(options).flatMap(([key, value]) => {
    if (typeof value === 'boolean') return [value ? flagOf(key) : flagOf(key).replace('--', '--no-')];
    return [value].flat().flatMap((each) => [flagOf(key), String(each)]);
  });

/** The same options as flags. */
export const tinyFlags = flagsOf(tinyOptions);

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a program is started: `by` are words before the command, of a program that starts it. */
export interface Start extends Pick<ExecFileOptions, 'cwd' | 'env' | 'timeout' | 'killSignal'> {
  readonly by?: readonly string[] | undefined;
  /** Called with the process, to watch it or to send it signals. */
  readonly meanwhile?: (child: ChildProcess) => void;
}

/** Runs a program to its end, or for `timeout` milliseconds. */
export function run([name, ...args]: readonly string[], { by = [], meanwhile, env, ...rest }: Start = {}) {
  const [program, ...all] = [...by, name, ...args] as [string, ...string[]];
  const options = { maxBuffer: 2 ** 28, env: { ...process.env, ...env }, ...rest };
  const start = performance.now();
  return new Promise<Outcome & { readonly seconds: number }>((resolve) => {
    const child = execFile(program, all, options, (_error, stdout, stderr) => {
      const seconds = (performance.now() - start) / 1000;
      resolve({ code: child.exitCode, signal: child.signalCode, stdout, stderr, seconds });
    });
    meanwhile?.(child);
  });
}

export const cli = (args: readonly string[], start?: Start) => run([process.execPath, main, ...args], start);

/** Starts the command line, and returns the child once `ready` appears on stderr. `ended` resolves to its outcome. */
export async function cliUntil(args: readonly string[], ready: RegExp, { cwd, by = [] }: Start = {}) {
  const [command, ...rest] = [...by, process.execPath, main, ...args] as [string, ...string[]];
  const child = spawn(command, rest, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  const ended = new Promise<Outcome>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
      if (ready.test(stderr)) resolve();
    });
    ended.then(() => reject(new Error(`ended too early: ${stderr}`)));
  });
  return { child, ended };
}

/** Makes a folder look held by a process of another host that gave its last sign of life so many seconds ago. */
export function holdElsewhere(folder: string, age = 0): void {
  write(folder, 'lock', '');
  const holder = { process: 12, host: 'node01', since: '2026-01-01T00:00:00.000Z', boot: '0123456789ab', id: 'x' };
  const other = write(folder, 'other', `${JSON.stringify(holder)}\n`);
  const then = Date.now() / 1000 - age;
  utimesSync(other, then, then);
  renameSync(other, join(folder, 'lock.holder'));
}

export function write(folder: string, name: string, text: string | Uint8Array): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** All that is in a folder but folders, by path; none if there is no folder. */
export function filesBelow(folder: string): string[] {
  const entries = existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }) : [];
  const files = entries.filter((entry) => !entry.isDirectory());
  return files.map((entry) => relative(folder, join(entry.parentPath, entry.name))).sort();
}
