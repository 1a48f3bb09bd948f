/**
 * `bench/gpu.sh`: runs steps, each in a process of its own, and merges their results into OUT/results.json and
 * OUT/results.md. Exits 1 if a step that ran found something.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { packageRoot } from '../../setup/files.mjs';
import { markdown, merge, type Results, type StepName, stepNames } from './results.js';

/** Seconds after which a step is killed. */
const patience = 8 * 60 - 10;

interface Flags {
  readonly device: string;
  readonly only: readonly StepName[];
  readonly out: string;
}

const script = fileURLToPath(new URL('./step.ts', import.meta.url));

/** The steps of a list, in the order in which they run. */
function stepsOf(list: string): StepName[] {
  const names = list.split(',');
  const unknown = names.find((name) => !stepNames.some((step) => step === name));
  if (unknown !== undefined) throw new InvalidArgumentError(`'${unknown}' is none of ${stepNames.join(', ')}.`);
  return stepNames.filter((step) => names.includes(step));
}

/** Runs a step, and ends it and all that it started where it takes too long. */
async function runStep(name: StepName, device: string, out: string): Promise<Results> {
  const path = join(out, `${name}.json`);
  rmSync(path, { force: true });
  const start = performance.now();
  const child = spawn(process.execPath, [...process.execArgv, script, name, device, path], {
    cwd: packageRoot,
    stdio: ['ignore', 2, 2],
    detached: true,
  });
  const kill = () => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL');
  const interrupted = () => {
    kill();
    process.exit(130);
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  let late = false;
  const timer = setTimeout(() => {
    late = kill();
  }, 1000 * patience);
  const end = await new Promise<string>((done) => {
    child.on('error', (error) => done(error.message));
    child.on('close', (code, signal) => done(signal ? `it died of ${signal}` : `it ended with ${code}`));
  });
  clearTimeout(timer);
  process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
  if (existsSync(path)) {
    const results = JSON.parse(readFileSync(path, 'utf8')) as Results;
    rmSync(path);
    return results;
  }
  const problems = [late ? `it took longer than ${patience} s` : end];
  const seconds = (performance.now() - start) / 1000;
  return { steps: { [name]: { problems, summary: '', seconds, ended: new Date().toISOString() } } };
}

async function main({ device, only, out }: Flags): Promise<void> {
  const folder = resolve(out);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'results.json');
  let merged: Results = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : { steps: {} };
  for (const name of only) {
    process.stderr.write(`== ${name}\n`);
    merged = merge(merged, await runStep(name, device, folder));
    writeFileSync(path, `${JSON.stringify(merged, null, 2)}\n`);
    writeFileSync(join(folder, 'results.md'), markdown(merged));
    // Without an addon, or without the GPU, the other steps can't run.
    const problems = merged.steps[name]?.problems ?? [];
    if (problems.length > 0) process.exitCode = 1;
    if (problems.length > 0 && name === 'build') break;
  }
  process.stdout.write(markdown(merged));
}

await new Command('bench/gpu.sh')
  .description('Builds, checks and measures everything on a machine with a GPU.')
  .option('--device <name>', 'auto, cpu, cuda or cuda:N; on a CPU everything in small', 'cuda')
  .option('--only <steps>', `some of ${stepNames.join(', ')}, separated by commas`, stepsOf, [...stepNames])
  .option('--out <dir>', 'folder of results.json and results.md', 'runs/gpu')
  .action(main)
  .parseAsync();
