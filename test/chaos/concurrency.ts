import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Part } from './campaign.js';
import { cli, end, how } from './process.js';
import { differences, hashes } from './workloads.js';

/** The scenes of concurrency-child.ts; each ends the process in its own way. */
export const scenes = ['eight at once', 'one folder twice', 'workers terminated', 'process.exit'] as const;
export type Scene = (typeof scenes)[number];

/** The code with which a child of scene `process.exit` ends. */
export const exitCode = 7;

const child = fileURLToPath(new URL('concurrency-child.ts', import.meta.url));

/** Many runs in one process, consumers of every kind, aborts and ends at random moments. */
export const concurrency: Part = {
  name: 'concurrency',
  description: 'a crowded process that ends at a random moment; what it left behind is resumed',
  perHour: 120,
  run: async (context) => {
    const command = (scene: string, seed: number, folder: string) => [
      process.execPath,
      '--import',
      'tsx',
      child,
      scene,
      String(seed),
      folder,
      context.folder,
    ];
    const prepared = await end(command('undisturbed', 0, context.folder));
    if (prepared.code !== 0) return context.find(how(prepared));
    const outcome = hashes(join(context.folder, 'undisturbed'));
    await context.each(async (k, random, folder) => {
      const scene = scenes[k % scenes.length] as Scene;
      const seed = random.below(2 ** 31);
      const ended = await end(command(scene, seed, folder));
      context.tried(scene);
      const expected = scene === 'process.exit' ? exitCode : 0;
      // Any output on stderr is wrong: a warning of Node, an unhandled rejection.
      if (ended.code !== expected || ended.stderr !== '') return context.find(`${scene}: ${how(ended)}`, k);
      for (const name of ['run-0', 'run-1', 'run-2', 'run-3', 'run-4', 'run-5', 'run-6', 'run-7']) {
        const run = join(folder, name);
        if (!existsSync(join(run, 'options.yaml'))) continue;
        const resumed = await cli(['transfer', '--resume', run]);
        if (resumed.code !== 0) context.find(`${scene}, ${name} resumed: ${how(resumed)}`, k);
        const differing = differences(outcome, hashes(run));
        if (differing.length > 0) context.find(`${scene}, ${name} resumed: ${differing.join('; ')}`, k);
        if (scene !== 'workers terminated') break; // one is enough: each costs a process
      }
    }, 2);
  },
};
