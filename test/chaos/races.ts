import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildNative } from '../../setup/build.mjs';
import { packageRoot } from '../../setup/files.mjs';
import { requireLibTorch } from '../../setup/libtorch.mjs';
import type { Part } from './campaign.js';
import { Draw } from './damage/draw.js';
import { end, how } from './process.js';

const scenes = ['several', 'abort', 'callbackThrows', 'inference', 'terminate', 'exit', 'collected'] as const;
export type Scene = (typeof scenes)[number];

const folder = 'build-tsan';
const child = fileURLToPath(new URL('races-child.ts', import.meta.url));
/** The exit code of a process with a report. */
const reported = 66;

/** ThreadSanitizer's library, if there is one. It must be loaded first, since Node itself is not built with it. */
function runtime(): string | undefined {
  const { stdout, status } = spawnSync('g++', ['-print-file-name=libtsan.so'], { encoding: 'utf8' });
  const path = stdout?.trim();
  return status === 0 && existsSync(path) ? path : undefined;
}

/** `more`: further options of ThreadSanitizer. */
const environment = (library: string, more = ''): Record<string, string> => ({
  L2T_NATIVE_BUILD: join(packageRoot, folder),
  LD_PRELOAD: library,
  // Node, V8 and LibTorch are not compiled with ThreadSanitizer, so it sees their locks but not their atomics. It
  // therefore ignores their reads and writes, but respects the order that their locks give. Only races between our own
  // functions are reported.
  TSAN_OPTIONS: `exitcode=${reported} ignore_noninstrumented_modules=1 ${more}`,
});

/**
 * The command under which a process must start: with the random memory layout of newer kernels, ThreadSanitizer does
 * not start. Undefined if it never starts.
 */
function prefix(library: string): readonly string[] | undefined {
  const works = (through: readonly string[]): boolean => {
    const [program, ...args] = [...through, process.execPath, '-e', '0'];
    const env = { ...process.env, ...environment(library) };
    return spawnSync(program as string, args, { env }).status === 0;
  };
  return [['setarch', '-R'], []].find(works);
}

export const races: Part = {
  name: 'races',
  description: "runs, their ends and threads' ends, in a build with ThreadSanitizer",
  // One of each scene a minute.
  perHour: 60 * scenes.length,
  missing() {
    const library = runtime();
    if (library === undefined) return 'g++ has no libtsan';
    return prefix(library) === undefined ? 'ThreadSanitizer does not start here' : undefined;
  },
  async run(context) {
    const library = runtime() as string;
    const through = prefix(library) as string[];
    const start = performance.now();
    buildNative({ libtorch: requireLibTorch({ say: () => {} }), folder, define: ['L2T_SANITIZE=thread'] });
    context.figure('build, s', (performance.now() - start) / 1000);
    const lanes = availableParallelism();
    const seen = new Set<string>();
    await context.each(async (k, random) => {
      const draw = new Draw(random.below(2 ** 32));
      const scene = scenes[k % scenes.length] as Scene;
      context.tried(scene);
      const command = [process.execPath, '--expose-gc', '--import', 'tsx', child, scene, String(draw.below(2 ** 31))];
      // process.exit() waits for no thread: what matters is on disk by then.
      const env = environment(library, scene === 'exit' ? 'report_thread_leaks=0' : '');
      const ended = await end(command, { env, through, patience: 120 });
      context.figure('longest, s', ended.seconds);
      const reports = ended.stderr
        .split('==================\n')
        .filter((part) => part.startsWith('WARNING: ThreadSanitizer'));
      for (const report of reports) {
        const summary = /^SUMMARY: .*$/m.exec(report)?.[0] ?? report.slice(0, 200);
        // One race is reported in every process that meets it.
        if (!seen.has(summary)) context.find(`${scene}: ${report}`, k);
        seen.add(summary);
      }
      if (reports.length === 0 && (ended.code !== 0 || ended.hung)) context.find(`${scene}: ${how(ended)}`, k);
    }, lanes);
  },
};
