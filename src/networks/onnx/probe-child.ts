/** `probe.ts` runs this in a process that it watches: it reads an ONNX file, runs it on one image, and prints what it saw. */
import { text } from 'node:stream/consumers';
import { L2TError } from '../../errors.js';
import { invalidWeights } from '../../system/failures.js';
import { readFileBytes } from '../../system/files.js';
import { readGraph } from './graph.js';
import { decodeModel } from './messages.js';
import type { Probe, Probed, ProbeJob } from './probe.js';
import { extended, onnxRuntime, openSession, wordsOf } from './runtime.js';

async function probe({ path, sides, maps }: ProbeJob): Promise<Probe> {
  const bytes = await readFileBytes(path);
  const { passed, fromImages, ...facts } = readGraph(decoded(bytes, path), path);
  const depths = new Map(passed.map(({ name, depth }) => [name, depth]));
  const named = maps.filter((name) => fromImages.has(name) && name !== facts.input);
  const names = [...new Set([...depths.keys(), ...named, facts.logits])];
  const added = names.filter((name) => !facts.outputs.includes(name)).map((name) => ({ name }));
  const runtime = await onnxRuntime();
  const session = await openSession(runtime, extended(bytes, { output: added }), 1).catch((cause) => {
    throw invalidWeights(`ONNX Runtime does not load ${path}: ${wordsOf(cause)}`, cause);
  });
  const { batch = 1 } = facts;
  const tried = facts.side === undefined ? sides : [facts.side];
  const failures: unknown[] = [];
  for (const side of tried) {
    const images = new runtime.Tensor('float32', new Float32Array(batch * 3 * side * side), [batch, 3, side, side]);
    try {
      const results = await session.run({ [facts.input]: images }, names);
      const tensors = names.map((name): Probed => {
        const { dims = [], type = 'none' } = results[name] ?? {};
        return { name, dims, type, depth: depths.get(name) };
      });
      return { ...facts, runtime: runtime.env.versions.node ?? '', side, tensors };
    } catch (cause) {
      failures.push(cause);
    }
  }
  const images = tried.map((side) => `${side}×${side}`).join(', ');
  throw invalidWeights(
    `ONNX Runtime does not run ${path} on an image of ${images}: ${wordsOf(failures[0])}`,
    failures[0],
  );
}

function decoded(bytes: Uint8Array, path: string) {
  try {
    return decodeModel(bytes);
  } catch (cause) {
    throw invalidWeights(`${path} is no ONNX model, or is damaged: fetch or export it again.`, cause);
  }
}

let answer: object;
try {
  answer = { probe: await probe(JSON.parse(await text(process.stdin))) };
} catch (error) {
  const { code, message } = error instanceof L2TError ? error : new L2TError('INVALID_WEIGHTS', wordsOf(error));
  answer = { error: { code, message } };
}
process.stdout.end(JSON.stringify(answer));
