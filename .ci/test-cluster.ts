/**
 * `npx tsx .ci/test-cluster.ts`: runs of several processes, and many runs, started by what a cluster has: SLURM's srun and
 * sbatch, Open MPI's mpirun, the variables of torchrun, GNU parallel. Installs Debian's packages where it may, and starts
 * a SLURM of one node. Prints what passed, and fails if something did not pass.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aptInstall, onPath } from '../setup/apt.mjs';
import { packageRoot } from '../setup/files.mjs';
import { slurmPackages, startSlurm } from './local-slurm.js';

const programs = [
  { program: 'slurmctld', packages: slurmPackages },
  { program: 'mpirun', packages: ['openmpi-bin'] },
  { program: 'parallel', packages: ['parallel'] },
];
/** Seconds that a command may take. */
const patience = 180;

const folder = mkdtempSync(join(tmpdir(), 'l2t-cluster-'));
const main = join(packageRoot, 'dist/cli/l2t-native.cjs');
const command = [process.execPath, main] as const;
const data = join(packageRoot, 'data/fashion-mnist');
const training = (out: string): string[] => [
  ...['transfer', '--method', 'scratch', '--target', 'vgg9_bn', '--width', '0.125', '--data', data],
  ...['--per-class', '10', '--epochs', '2', '--lr', '0.01', '--threads', '1', '--no-report'],
  ...['--out', join(folder, out)],
];

type Command = readonly [program: string, ...args: string[]];

/** Runs a command to its end. Returns what it printed. @throws Error if it failed. */
function run([program, ...args]: Command, env: NodeJS.ProcessEnv = {}, cwd = folder): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    const timer = setTimeout(() => child.kill('SIGTERM'), 1000 * patience);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve(output);
      else reject(new Error(`${program} ended with ${code ?? signal}:\n${output}`));
    });
  });
}

/** The mean loss of each epoch of a run. */
const lossesOf = (out: string): number[] =>
  readFileSync(join(folder, out, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).losses.org);
const ranksOf = (out: string): number =>
  Number(/^ranks: (\d+)$/m.exec(readFileSync(join(folder, out, 'options.yaml'), 'utf8'))?.[1] ?? 1);

function require(fact: boolean, message: string): asserts fact {
  if (!fact) throw new Error(message);
}

/** Requires a finished run of so many processes, with the losses of one process. */
function requireRun(out: string, ranks: number): void {
  require(existsSync(join(folder, out, 'README.md')), `${out} is not finished`);
  require(ranksOf(out) === ranks, `${out} is a run of ${ranksOf(out)} processes, not of ${ranks}`);
  const found = lossesOf(out);
  lossesOf('alone').forEach((loss, epoch) => {
    const away = Math.abs((found[epoch] ?? Number.NaN) - loss);
    require(away < 1e-3, `${out}: the loss of epoch ${epoch + 1} is ${away} away from that of one process`);
  });
}

/** Waits for a job that sbatch names. */
async function runBatch(script: string, env: NodeJS.ProcessEnv, cwd = folder, args: string[] = []): Promise<void> {
  const name = join(cwd, `batch-${Date.now()}.sh`);
  writeFileSync(name, script);
  await run(['sbatch', '--wait', ...args, name], env, cwd);
}

const batchScript = (words: readonly string[]): string =>
  `#!/bin/bash\n${words.map((word) => `'${word}'`).join(' ')}\n`;

async function torchrun(): Promise<void> {
  const places = [0, 1].map((rank) => ({ RANK: `${rank}`, WORLD_SIZE: '2', LOCAL_RANK: `${rank}` }));
  const master = { MASTER_ADDR: '127.0.0.1', MASTER_PORT: '29511' };
  await Promise.all(places.map((place) => run([...command, ...training('torchrun')], { ...master, ...place })));
  requireRun('torchrun', 2);
}

async function mpirun(): Promise<void> {
  const flags = ['-n', '2', '--oversubscribe', ...(process.getuid?.() === 0 ? ['--allow-run-as-root'] : [])];
  await run(['mpirun', ...flags, ...command, ...training('mpirun')]);
  requireRun('mpirun', 2);
}

async function srun(slurm: NodeJS.ProcessEnv): Promise<void> {
  await run(['srun', '-n', '2', ...command, ...training('srun')], slurm);
  requireRun('srun', 2);
  await run(['srun', '-n', '2', ...command, 'eval', join(folder, 'srun/best.safetensors'), '--data', data], slurm);
}

/** A batch script of two tasks is one process; the srun in it starts two. */
async function sbatch(slurm: NodeJS.ProcessEnv): Promise<void> {
  await runBatch(batchScript([...command, ...training('batch')]), slurm, folder, ['-n', '2']);
  requireRun('batch', 1);
  await runBatch(batchScript(['srun', ...command, ...training('batch-srun')]), slurm, folder, ['-n', '2']);
  requireRun('batch-srun', 2);
}

async function sbatchArray(slurm: NodeJS.ProcessEnv): Promise<void> {
  const script = batchScript([...command, ...training('array-TASK')]).replace(
    "array-TASK'",
    'array-\'"$SLURM_ARRAY_TASK_ID"',
  );
  await runBatch(script, slurm, folder, ['--array=1-2']);
  for (const task of [1, 2]) requireRun(`array-${task}`, 1);
}

/** Plans an experiment of two runs in a folder. */
async function plan(name: string): Promise<void> {
  const options = ['--methods', 'scratch', '--seeds', '2', '--target', 'vgg9_bn', '--width', '0.125', '--data', data];
  const small = ['--per-class', '10', '--epochs', '1', '--lr', '0.01', '--threads', '1', '--plan', join(folder, name)];
  await run([...command, 'compare', ...options, ...small]);
}

async function requireCollected(name: string): Promise<void> {
  await run([...command, 'compare', '--collect', join(folder, name)]);
  require(existsSync(join(folder, name, 'comparison.md')), `${name} has no comparison.md`);
}

/** The planned commands begin with l2t-native, which is in the folder. */
const onOurPath = { PATH: `${folder}:${process.env.PATH}` };

async function parallel(): Promise<void> {
  await plan('planned');
  await run(['bash', '-c', 'parallel --jobs 1 < runs.txt'], onOurPath, join(folder, 'planned'));
  await requireCollected('planned');
}

async function plannedArray(slurm: NodeJS.ProcessEnv): Promise<void> {
  await plan('array');
  const file = readdirSync(join(folder, 'array')).find((name) => /sbatch|\.slurm$/.test(name));
  require(file !== undefined, 'the plan has no file for sbatch');
  await run(['sbatch', '--wait', file], { ...slurm, ...onOurPath }, join(folder, 'array'));
  await requireCollected('array');
}

/** Why a check that needs the program cannot be made; undefined if it can. */
const missing = (program: string): string | undefined => (onPath(program) ? undefined : `${program} is not installed`);

/** One way to start runs. `not`: why it cannot be checked here. */
interface Check {
  readonly name: string;
  readonly check: (slurm: NodeJS.ProcessEnv) => Promise<void>;
  readonly not?: string | undefined;
}

async function checkAll(): Promise<number> {
  const packages = programs.filter(({ program }) => !onPath(program)).flatMap(({ packages }) => packages);
  const refused = packages.length > 0 ? aptInstall(packages, (line) => console.error(`[cluster] ${line}`)) : undefined;
  if (refused) console.error(`[cluster] not installed: ${refused}`);
  writeFileSync(join(folder, 'l2t-native'), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`, { mode: 0o755 });
  await run([...command, ...training('alone')]);

  let slurm: Awaited<ReturnType<typeof startSlurm>> | undefined;
  let noSlurm = missing('slurmctld') ?? (process.getuid?.() === 0 ? undefined : 'SLURM is started by root only');
  if (noSlurm === undefined) {
    slurm = await startSlurm(join(folder, 'slurm')).catch((error: Error) => {
      noSlurm = `SLURM did not start: ${error.message}`;
      return undefined;
    });
  }
  const planned = (await run([...command, 'compare', '--help'])).includes('--plan')
    ? undefined
    : 'compare has no --plan yet';
  const checks: Check[] = [
    { name: "torchrun's variables", check: torchrun },
    { name: 'mpirun -n 2', check: mpirun, not: missing('mpirun') },
    { name: 'srun -n 2', check: srun, not: noSlurm },
    { name: 'sbatch: a script is one process, srun in it two', check: sbatch, not: noSlurm },
    { name: 'sbatch --array: each task is one process', check: sbatchArray, not: noSlurm },
    { name: 'GNU parallel on runs.txt', check: parallel, not: planned ?? missing('parallel') },
    { name: 'sbatch on a plan', check: plannedArray, not: planned ?? noSlurm },
  ];
  try {
    return await carryOut(checks, slurm?.env ?? {});
  } finally {
    slurm?.stop();
  }
}

/** Makes the checks one after the other. Returns how many failed. */
async function carryOut(checks: readonly Check[], slurm: NodeJS.ProcessEnv): Promise<number> {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { name, check, not } of checks) {
    const begin = performance.now();
    const failure =
      not === undefined
        ? await check(slurm).then(
            () => undefined,
            (error: Error) => error,
          )
        : undefined;
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    if (not !== undefined) console.log(`[cluster] skipped: ${name} (${not})`);
    else if (failure) console.log(`[cluster] FAILED: ${name}\n${failure.message}`);
    else console.log(`[cluster] passed: ${name} (${seconds} s)`);
    counts[not !== undefined ? 'skipped' : failure ? 'failed' : 'passed']++;
  }
  console.log(`[cluster] ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  return counts.failed;
}

try {
  process.exitCode = (await checkAll()) === 0 ? 0 : 1;
} catch (error) {
  console.error(`[cluster] ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  if (process.exitCode === 0) rmSync(folder, { recursive: true, force: true });
  else console.error(`[cluster] what was made is in ${folder}`);
}
