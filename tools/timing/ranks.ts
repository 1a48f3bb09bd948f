#!/usr/bin/env node
/**
 * `npx tsx tools/timing/ranks.ts --case NAME --nproc N`: times the native engine on the CPU in one process, and in N of this
 * host that share its batch, in turns. The seconds are those of the fastest iteration.
 */
import { benchCases, benchJob } from '../../src/bench/cases.js';
import { table } from '../../src/cli/table.js';
import { counted } from '../../src/system/printable.js';
import { type Timings, timeIterations } from '../parity/observe.js';
import { startedRank, withRanks } from '../parity/ranks.js';
import { type Flags, iterationCommand, whole } from './flags.js';

/** Turns of the four timings: other load on the machine affects all of them. */
const turns = 3;

async function main({ case: name, rounds, nproc, ...flags }: Flags & { readonly nproc: number }): Promise<void> {
  const { batch = benchCases[name].batch } = flags;
  if (nproc < 2 || batch % nproc !== 0) throw new Error(`--nproc must be from 2 on and divide the batch, ${batch}.`);
  const threads = Math.max(1, Math.floor(flags.threads / nproc));
  const job = (cores: number, images: number) => ({
    ...benchJob(name, 'native', { ...flags, device: 'cpu', threads: cores, batch: images }),
    ...{ rounds, layers: false },
  });
  const started = startedRank();
  if (started) {
    await timeIterations({ ...job(threads, batch), group: started });
    return;
  }
  const each = counted(threads, 'thread');
  const ways: Readonly<Record<string, () => Promise<Timings>>> = {
    [`one process, ${counted(threads * nproc, 'thread')}`]: () => timeIterations(job(threads * nproc, batch)),
    [`${nproc} processes, ${each} each`]: () =>
      withRanks(nproc, (group) => timeIterations({ ...job(threads, batch), group })),
    [`one process, ${each}`]: () => timeIterations(job(threads, batch)),
    [`one process, ${each}, ${batch / nproc} images`]: () => timeIterations(job(threads, batch / nproc)),
  };
  const best = Object.keys(ways).map(() => Number.POSITIVE_INFINITY);
  let sent = { calls: 0, bytes: 0 };
  for (let turn = 1; turn <= turns; turn++) {
    process.stderr.write(`turn ${turn} of ${turns}\n`);
    for (const [k, time] of Object.values(ways).entries()) {
      const { seconds, traffic } = await time();
      best[k] = Math.min(best[k] as number, seconds);
      if (traffic.calls > 0) sent = traffic;
    }
  }
  const [together, shared, alone, share] = best as [number, number, number, number];
  const rows = Object.keys(ways).map((way, k) => [way, (best[k] as number).toFixed(3)]);
  const lines = [
    `${name}: ${benchCases[name].about}; batch ${batch}, ${rounds} rounds`,
    table(['', 's an iteration'], rows),
    `${nproc} processes take ${(shared / together).toFixed(2)} times as long as one with all threads`,
    `each repeats ${(share - alone / nproc).toFixed(3)} s of the others' work, and takes ${(shared - share).toFixed(3)} s for exchanges`,
    `a rank gives ${(sent.bytes / 1e6).toFixed(1)} MB to ${sent.calls} exchanges an iteration`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

await iterationCommand('bench:ranks')
  .option('--nproc <n>', 'processes that share each batch', whole, 2)
  .action(main)
  .parseAsync();
