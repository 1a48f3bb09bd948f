import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parentPort, Worker } from 'node:worker_threads';
import { buildNative } from '../../setup/build.mjs';
import { packageRoot } from '../../setup/files.mjs';
import { requireLibTorch } from '../../setup/libtorch.mjs';
import { L2TError } from '../../src/errors.js';
import { addon, type NativeEvent, type NativeRun } from '../../src/native/addon.js';
import { images, newRun, type RunJob, tinyJob } from '../native/tiny.js';
import type { Part } from './campaign.js';
import type { Scenes } from './child.js';
import type { Draw } from './draw.js';
import { how, inOwnProcess } from './processes.js';

/** Large enough that a run requests random crops, and has two batches decoded ahead. */
const size = 64;

function jobOf(draw: Draw, epochs = 2): RunJob {
  const set = (count: number, streams: boolean) => {
    const { pixels, ...rest } = images(count, { size });
    return streams ? rest : { ...rest, pixels };
  };
  const sets = { train: set(9, !draw.once(4)), validation: set(4, draw.once(2)), test: set(4, draw.once(2)) };
  const saveEvery = draw.pick([0, 0.001, 1e6]);
  return tinyJob({ method: 'scratch', sources: [], size, epochs, batch: 3, saveEvery, threads: 1, ...sets });
}

/** Starts a run, and answers each event at once, later, or after a resize on a thread of libuv's pool. */
function start(draw: Draw, job = jobOf(draw), follow: (run: NativeRun, event: NativeEvent) => void = () => {}) {
  const run = newRun(job, (event) => {
    follow(run, event);
    if (event.type === 'step') return;
    const reply = () => {
      if (event.type !== 'decode') run.saved();
      else run.answer(event.ticket, new Uint8Array(event.images.length * size * size * 3).fill(event.ticket));
    };
    const { resize } = addon();
    draw.either<unknown>(
      reply,
      () => setTimeout(reply, draw.below(4)),
      () => resize(new Uint8Array(9 * 9 * 3), 9, 9, 5, 5).then(reply),
    );
  });
  return { run, result: draw.once(5) ? run.tryRates([0.1, 0.2, 0.3]) : run.start() };
}

/** Scenes with many threads. They only start them; the races are in the addon. */
export const scenes: Scenes<unknown> = {
  several: async (draw) => {
    const runs = Array.from({ length: draw.between(2, 4) }, () => {
      let left = draw.once(2) ? draw.between(1, 12) : Number.POSITIVE_INFINITY;
      const { run, result } = start(draw, undefined, (self) => void (--left === 0 && self.stop()));
      if (draw.once(4)) run.stop();
      return result;
    });
    await Promise.all(runs);
  },
  abort: async (draw) => {
    const { run, result } = start(draw, jobOf(draw, 50));
    await pause(draw.below(60));
    run.stop();
    await result;
  },
  callbackThrows: async (draw) => {
    let left = draw.between(1, 15);
    const { result } = start(draw, undefined, () => {
      if (--left === 0) throw new L2TError('INVALID_OPTION', 'by the callback');
    });
    await result.catch((error) => {
      if (!(error instanceof L2TError) || error.code === 'INTERNAL') throw error;
    });
  },
  inference: async (draw) => {
    const job = jobOf(draw);
    const weights = addon().initialise(job.target, 1);
    const { target: network, normalisation, device, threads } = job;
    const loaded = new (addon().Network)({ network, weights, size, normalisation, device, threads });
    const inputs = [1, 2, 3, 1, 2, 3].map((count) => new Uint8Array(count * size * size * 3));
    await Promise.all([...inputs.map((input, k) => loaded.infer(input, k % 2 === 0)), start(draw, job).result]);
  },
  terminate: async (draw) => {
    const script = new URL('child.ts', import.meta.url);
    const ends = Array.from({ length: draw.between(1, 3) }, async () => {
      const argv = [import.meta.url, '', 'null', JSON.stringify({ scene: 'worker', seed: draw.below(2 ** 31) })];
      const worker = new Worker(script, { argv, execArgv: ['--import', 'tsx'] });
      await new Promise((resolve) => worker.once('message', resolve).once('error', resolve));
      await pause(draw.below(30));
      await worker.terminate();
    });
    await Promise.all([start(draw).result, ...ends]);
  },
  exit: async (draw) => {
    for (let runs = draw.between(1, 2); runs > 0; runs--) start(draw, jobOf(draw, 500)).result.catch(() => {});
    await pause(draw.below(100));
    process.exit(0);
  },
  /** Runs that are not referenced any more are collected while others begin. */
  collected: async (draw) => {
    for (let k = 0; k < 3; k++) {
      void newRun(jobOf(draw), () => {});
      const { result } = start(draw, jobOf(draw, 1));
      globalThis.gc?.();
      await result;
    }
  },
  worker: (draw) => start(draw, jobOf(draw, 500), () => parentPort?.postMessage('begun')).result,
};
const names = Object.keys(scenes).filter((name) => name !== 'worker');

const folder = 'build-tsan';
/** ThreadSanitizer's library. It must be loaded first, since Node itself is not built with it. */
const library = () => spawnSync('g++', ['-print-file-name=libtsan.so'], { encoding: 'utf8' }).stdout?.trim() ?? '';

const environment = (more = '') => ({
  L2T_NATIVE_BUILD: join(packageRoot, folder),
  LD_PRELOAD: library(),
  // Node, V8 and LibTorch are not compiled with ThreadSanitizer: it sees their locks, but not their atomics, so it must
  // ignore their reads and writes. Only races between our own functions are reported.
  TSAN_OPTIONS: `ignore_noninstrumented_modules=1 ${more}`,
});

/** With the random memory layout of newer kernels, ThreadSanitizer starts only under `setarch -R`. */
const prefix = () =>
  [['setarch', '-R'], []].find((by) => {
    const [program, ...args] = [...by, process.execPath, '-e', '0'];
    return spawnSync(program as string, args, { env: { ...process.env, ...environment() } }).status === 0;
  });

/** Runs, their ends and threads' ends, in a build with ThreadSanitizer: one of each scene a minute. */
export const races: Part = {
  ...{ name: 'races', module: import.meta.url, perHour: 60 * names.length },
  missing() {
    if (!existsSync(library())) return 'g++ has no libtsan';
    return prefix() ? undefined : 'ThreadSanitizer does not start here';
  },
  async prepare() {
    buildNative({ libtorch: requireLibTorch({ say: () => {} }), folder, define: ['L2T_SANITIZE=thread'] });
  },
  open() {
    const by = prefix();
    const seen = new Set<string>();
    return async (attempt) => {
      const scene = names[attempt.k % names.length] as string;
      attempt.doing(scene);
      // process.exit() waits for no thread: what matters is on disk by then.
      const env = environment(scene === 'exit' ? 'report_thread_leaks=0' : '');
      const seed = attempt.draw.below(2 ** 31);
      const ended = await inOwnProcess(import.meta.url, attempt.folder, null, { scene, seed }, { env, by });
      attempt.figure('longest, s', ended.seconds);
      const reports = ended.stderr.split('==================\n').filter((text) => text.startsWith('WARNING: ThreadS'));
      for (const report of reports) {
        // One race is reported in every process that meets it.
        const summary = /^SUMMARY: .*$/m.exec(report)?.[0] ?? report.slice(0, 200);
        if (!seen.has(summary)) attempt.find(report);
        seen.add(summary);
      }
      if (reports.length === 0 && ended.code !== 0) attempt.find(how(ended));
    };
  },
};
