// An iteration whose source is an ONNX file, beside the same with the built-in network, in one run:
//   npx tsx tools/bench-onnx.ts FILE [BATCH]
// FILE has the weights of a network, which is exported to ONNX first. Each variant is timed in processes of its own, in turn.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exportNetwork, loadCheckpoint } from '../src/index.js';
import { addon } from '../src/native/addon.js';
import { OnnxSession } from '../src/networks/onnx/session.js';
import { factsOf, loadSources, nativeSources, type Source } from '../src/networks/sources.js';
import { begin, read } from '../src/options/spec.js';
import { timeStep } from '../src/run/step-time.js';
import { peakOfProcess } from '../src/system/limits.js';
import { median } from '../src/system/statistics.js';
import { defaultThreads } from '../src/system/threads.js';

const rounds = 3;
const classes = 10;

interface Measured {
  /** Milliseconds of an iteration, or of the source alone. */
  readonly ms: number;
  /** The most memory that the process had, bytes. */
  readonly peak: number;
}

/** An iteration of l2t-ww with a source of this file; `alone`: ONNX Runtime runs one batch, and nothing else. */
async function timeSource(source: string, batch: number, alone: boolean): Promise<Measured> {
  const threads = defaultThreads();
  const draft = read({ method: 'l2t-ww', source, target: 'resnet18', data: 'data', batch, epochs: 1, threads });
  const loaded = await loadSources(draft.sources, {});
  const [{ onnx, size }] = loaded as [Source];
  if (alone && onnx) {
    const session = await OnnxSession.open(onnx, threads);
    const images = new Float32Array(batch * 3 * size ** 2);
    await session.run(images, batch);
    const before = performance.now();
    await session.run(images, batch);
    return { ms: performance.now() - before, peak: peakOfProcess() };
  }
  const spec = begin(draft, { images: batch, device: addon().device('cpu').device, threads, sources: factsOf(loaded) });
  const target = { name: spec.target, classes, width: spec.width };
  const sources = nativeSources(spec, loaded, target).map((each, k) => {
    return { ...each, ...(loaded[k]?.onnx && { onnx: loaded[k].onnx }) };
  });
  const { min } = await timeStep({ spec, target, sources });
  return { ms: 1000 * min, peak: peakOfProcess() };
}

const [file, batch = '32', only] = process.argv.slice(2);
if (file === undefined) throw new Error('usage: npx tsx tools/bench-onnx.ts FILE [BATCH]');
if (only !== undefined) {
  process.stdout.write(JSON.stringify(await timeSource(file, Number(batch), only === 'alone')));
} else {
  const folder = mkdtempSync(join(tmpdir(), 'bench-onnx-'));
  try {
    const onnx = join(folder, 'source.onnx');
    await exportNetwork(await loadCheckpoint(file), { to: 'onnx', out: onnx });
    const variants = { 'built-in': [file, 'run'], ONNX: [onnx, 'run'], 'ONNX Runtime alone': [onnx, 'alone'] } as const;
    const results = new Map<string, Measured[]>();
    for (let round = 0; round < rounds; round++) {
      for (const [name, [path, what]] of Object.entries(variants)) {
        const args = ['--import', 'tsx', fileURLToPath(import.meta.url), path, batch, what];
        const measured = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Measured;
        results.set(name, [...(results.get(name) ?? []), measured]);
      }
    }
    const of = (name: string, key: keyof Measured) => median((results.get(name) ?? []).map((each) => each[key]));
    for (const name of results.keys()) {
      console.log(`${name}: ${of(name, 'ms').toFixed(0)} ms, at most ${(of(name, 'peak') / 2 ** 20).toFixed(0)} MiB`);
    }
    console.log(`ONNX / built-in: ${(of('ONNX', 'ms') / of('built-in', 'ms')).toFixed(2)}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
