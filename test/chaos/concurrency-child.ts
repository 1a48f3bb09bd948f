/**
 * concurrency-child.ts SCENE SEED FOLDER SHARED: plays one scene (concurrency.ts); throws if something wrong happens.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Random } from '../../src/data/random.js';
import { L2TError, type Run, resume, transfer } from '../../src/index.js';
import { tinyData, tinySource } from '../tiny.js';
import { exitCode, type Scene } from './concurrency.js';

const [scene, seed, folder, shared] = process.argv.slice(2) as [Scene | 'undisturbed', string, string, string];
const random = new Random(Number(seed));

/** The data, the same for all children: the first one makes it. */
async function materials(): Promise<{ data: string; source: string }> {
  const file = join(shared, 'materials.json');
  if (!existsSync(file)) writeFileSync(file, JSON.stringify({ data: tinyData(), source: await tinySource() }));
  return JSON.parse(readFileSync(file, 'utf8'));
}

const options = {
  ...(await materials()),
  ...({
    target: 'vgg9_bn',
    width: 0.0625,
    pairs: '8-3',
    batch: 6,
    threads: 1,
    lr: 0.01,
    epochs: 3,
    saveEvery: 0.05,
  } as const),
};
const begin = (name: string, signal?: AbortSignal): Run => transfer({ ...options, out: join(folder, name), signal });
const codeOf = (error: unknown): string => (error instanceof L2TError ? error.code : String(error));
/** The code with which a run failed; undefined if it succeeded. */
const settled = (run: Run): Promise<string | undefined> => run.result.then(() => undefined, codeOf);

function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`${what} (scene ${scene}, seed ${seed})`);
}

/** The ways to take a run's events, or not. */
const consumers: ((run: Run) => Promise<unknown>)[] = [
  async () => {},
  async (run) => {
    for await (const _ of run);
  },
  async (run) => {
    for await (const event of run) if (event.type === 'step') break;
  },
  async (run) => {
    for await (const _ of run) await pause(20);
  },
  async (run) => {
    const first = (async () => {
      for await (const _ of run);
    })();
    const second = await (async () => {
      for await (const _ of run) return 'taken';
    })().catch(codeOf);
    must(second === 'INVALID_OPTION', `a second loop over one run: ${second}`);
    await first;
  },
  async (run) => {
    const thrown = new Error('of the consumer');
    const got = await (async () => {
      for await (const _ of run) throw thrown;
    })().catch((error: unknown) => error);
    // An abort may end the loop before its first event.
    must(got === thrown || got === undefined, `the loop threw ${got}`);
  },
];

async function eightAtOnce(): Promise<void> {
  const jobs = Array.from({ length: 8 }, async (_, k) => {
    const controller = new AbortController();
    const aborts = random.below(2) === 0;
    const moment = random.below(3000);
    const consume = consumers[random.below(consumers.length)] as (typeof consumers)[number];
    const run = begin(`run-${k}`, controller.signal);
    const timer = aborts ? setTimeout(() => controller.abort(), moment) : undefined;
    const consumed = consume(run);
    const code = await settled(run);
    clearTimeout(timer);
    await consumed;
    must(code === undefined || (aborts && code === 'ABORTED'), `run ${k} ended with ${code}`);
  });
  await Promise.all(jobs);
}

async function oneFolderTwice(): Promise<void> {
  const codes = await Promise.all([
    settled(begin('run-0')),
    settled(begin('run-0')),
    settled(resume(join(folder, 'run-0'))),
  ]);
  const won = codes.filter((code) => code === undefined).length;
  must(won >= 1, `nobody got the folder: ${codes}`);
  must(
    codes.every((code) => code === undefined || code === 'INVALID_RUN'),
    `one folder, three runs: ${codes}`,
  );
}

/** The worker's code is plain JavaScript, because loaders of TypeScript do not work in workers. */
const workerCode = `
const { workerData } = require('node:worker_threads');
import(workerData.index).then(({ transfer }) => transfer(workerData.options).result);`;

async function workersTerminated(): Promise<void> {
  const workers = Array.from({ length: 3 }, (_, k) => {
    const worker = new Worker(workerCode, {
      eval: true,
      workerData: {
        index: new URL('../../dist/index.js', import.meta.url).href,
        options: { ...options, out: join(folder, `run-${k}`) },
      },
    });
    return new Promise<string>((resolve) => {
      worker.on('error', (error) => resolve(`failed: ${error}`));
      worker.on('exit', () => resolve('ended'));
      setTimeout(() => worker.terminate(), 500 + random.below(4000));
    });
  });
  for (const end of await Promise.all(workers)) must(end === 'ended', `a worker ${end}`);
  // The lock ended with the worker, so this process can resume its runs.
  const codes = await Promise.all(
    ['run-0', 'run-1', 'run-2'].map(async (name) => {
      const run = join(folder, name);
      return existsSync(join(run, 'options.yaml')) ? settled(resume(run)) : undefined;
    }),
  );
  must(
    codes.every((code) => code === undefined),
    `after terminate, resume: ${codes}`,
  );
}

async function leave(): Promise<void> {
  for (let k = 0; k < 3; k++) settled(begin(`run-${k}`));
  await pause(random.below(4000));
  process.exit(exitCode);
}

const play: Readonly<Record<Scene, () => Promise<void>>> = {
  'eight at once': eightAtOnce,
  'one folder twice': oneFolderTwice,
  'workers terminated': workersTerminated,
  'process.exit': leave,
};

if (scene === 'undisturbed') await begin('undisturbed').result;
else await play[scene]();
