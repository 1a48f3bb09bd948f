import { ok } from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { L2TError, type Run, resume, transfer } from '../../src/index.js';
import { tinyData, tinyOptions, tinySource } from '../tiny.js';
import type { Part } from './campaign.js';
import type { Scenes } from './child.js';
import { cli, how, inOwnProcess } from './processes.js';
import { differences, type Files, hashes } from './workloads.js';

const fixed = { ...tinyOptions, width: 0.0625, pairs: '8-3', epochs: 3, saveEvery: 0.05 } as const;
type Options = typeof fixed & { readonly data: string; readonly source: string };

const codeOf = (error: unknown): string => (error instanceof L2TError ? error.code : String(error));
/** The code with which a run failed; undefined if it succeeded. */
const settled = (run: Run) => run.result.then(() => undefined, codeOf);

async function iterate(run: Run, each: (type: string) => unknown = () => {}): Promise<void> {
  for await (const { type } of run) if ((await each(type)) === 'stop') break;
}

const consumers: readonly ((run: Run) => Promise<unknown>)[] = [
  async () => {},
  iterate,
  (run) => iterate(run, (type) => type === 'step' && 'stop'),
  (run) => iterate(run, () => pause(20)),
  async (run) => {
    const first = iterate(run);
    const second = await iterate(run).catch(codeOf);
    ok(second === 'INVALID_OPTION', `a second loop over one run: ${second}`);
    await first;
  },
  async (run) => {
    const thrown = new Error('of the consumer');
    const got = await iterate(run, () => Promise.reject(thrown)).catch((error: unknown) => error);
    // An abort may end the loop before its first event.
    ok(got === thrown || got === undefined, `the loop threw ${got}`);
  },
];

/** Plain JavaScript, because loaders of TypeScript do not work in workers. */
const workerCode = `const { workerData } = require('node:worker_threads');
  import(workerData.index).then(({ transfer }) => transfer(workerData.options).result);`;

export const scenes: Scenes<Options> = {
  'eight at once': async (draw, folder, options) => {
    const jobs = Array.from({ length: 8 }, async (_, k) => {
      const [aborts, moment, consume] = [draw.once(2), draw.below(3000), draw.pick(consumers)];
      const controller = new AbortController();
      const run = transfer({ ...options, out: join(folder, `run-${k}`), signal: controller.signal });
      const timer = aborts ? setTimeout(() => controller.abort(), moment) : undefined;
      const [code] = await Promise.all([settled(run), consume(run)]);
      clearTimeout(timer);
      ok(code === undefined || (aborts && code === 'ABORTED'), `run ${k} ended with ${code}`);
    });
    await Promise.all(jobs);
  },
  'one folder twice': async (_draw, folder, options) => {
    const out = join(folder, 'run-0');
    const runs = [transfer({ ...options, out }), transfer({ ...options, out }), resume(out)];
    const codes = await Promise.all(runs.map(settled));
    ok(codes.includes(undefined), `nobody got the folder: ${codes}`);
    ok(/^(,|INVALID_RUN)*$/.test(String(codes)), `one folder, three runs: ${codes}`);
  },
  'workers terminated': async (draw, folder, options) => {
    const outs = [0, 1, 2].map((k) => join(folder, `run-${k}`));
    const index = new URL('../../dist/index.js', import.meta.url).href;
    const ends = outs.map((out) => {
      const worker = new Worker(workerCode, { eval: true, workerData: { index, options: { ...options, out } } });
      setTimeout(() => worker.terminate(), draw.between(500, 4500));
      return new Promise((resolve) => worker.on('error', resolve).on('exit', () => resolve('ended')));
    });
    for (const ended of await Promise.all(ends)) ok(ended === 'ended', `a worker failed: ${ended}`);
    // The lock ended with the worker, so this process can resume its runs.
    const codes = await Promise.all(outs.filter(begun).map((out) => settled(resume(out))));
    ok(/^,*$/.test(String(codes)), `after terminate, resume: ${codes}`);
  },
  'process.exit': async (draw, folder, options) => {
    for (let k = 0; k < 3; k++) settled(transfer({ ...options, out: join(folder, `run-${k}`) }));
    await pause(draw.below(4000));
    process.exit(7);
  },
};
const names = Object.keys(scenes);

const begun = (run: string): boolean => existsSync(join(run, 'options.yaml'));

/** Many runs in one process, consumers of every kind, aborts and ends at random moments; then resumes. */
export const concurrency: Part<{ readonly options: Options; readonly files: Files }> = {
  ...{ name: 'concurrency', module: import.meta.url, perHour: 120 },
  async prepare(folder) {
    const options = { ...fixed, data: tinyData(), source: await tinySource() };
    await transfer({ ...options, out: join(folder, 'undisturbed') }).result;
    return { options, files: hashes(join(folder, 'undisturbed')) };
  },
  open:
    ({ options, files }) =>
    async (attempt) => {
      const scene = names[attempt.k % names.length] as string;
      attempt.doing(scene);
      const seed = attempt.draw.below(2 ** 31);
      const ended = await inOwnProcess(import.meta.url, attempt.folder, options, { scene, seed });
      // Any output on stderr is wrong: a warning of Node, an unhandled rejection.
      const code = scene === 'process.exit' ? 7 : 0;
      if (ended.code !== code || ended.stderr !== '') return attempt.find(how(ended));
      const runs = [0, 1, 2, 3, 4, 5, 6, 7].map((k) => join(attempt.folder, `run-${k}`)).filter(begun);
      // One is enough, where there are many: each costs a process.
      for (const out of scene === 'workers terminated' ? runs : runs.slice(0, 1)) {
        attempt.doing(`${scene}: ${out} resumed`);
        const resumed = await cli(['transfer', '--resume', out]);
        if (resumed.code !== 0) attempt.find(how(resumed));
        for (const problem of differences(files, hashes(out))) attempt.find(problem);
      }
    },
};
