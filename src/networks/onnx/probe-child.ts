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
  const facts = readGraph(decoded(bytes, path), path);
  const passed = facts.passed.map(({ name }) => name);
  const named = maps.filter((name) => facts.fromImages.has(name) && name !== facts.input);
  const names = [...new Set([...passed, ...named, facts.logits])];
  const added = names.filter((name) => !facts.outputs.includes(name)).map((name) => ({ name }));
  const runtime = await onnxRuntime();
  const session = await openSession(runtime, extended(bytes, { output: added }), 1).catch((cause) => {
    throw invalidWeights(`ONNX Runtime does not load ${path}: ${wordsOf(cause)}`, cause);
  });
  const { batch = 1, patch, metadata, logits } = facts;
  const failures: unknown[] = [];
  for (const side of facts.side === undefined ? sides : [facts.side]) {
    const images = new runtime.Tensor('float32', new Float32Array(batch * 3 * side * side), [batch, 3, side, side]);
    try {
      const results = await session.run({ [facts.input]: images }, names);
      const depths = new Map(facts.passed.map(({ name, depth }) => [name, depth]));
      const tensors = names.map((name): Probed => {
        const { dims = [], type = 'none' } = results[name] ?? {};
        return { name, dims, type, depth: depths.get(name) };
      });
      return {
        ...{ runtime: runtime.env.versions.node ?? '', input: facts.input, batch: facts.batch },
        ...{ side, tensors, logits, outputs: facts.outputs, patch, metadata },
      };
    } catch (cause) {
      failures.push(cause);
    }
  }
  const tried = (facts.side === undefined ? sides : [facts.side]).map((side) => `${side}×${side}`).join(', ');
  throw invalidWeights(
    `ONNX Runtime does not run ${path} on an image of ${tried}: ${wordsOf(failures[0])}`,
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
