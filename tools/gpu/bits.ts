import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readSafetensors } from '../../src/networks/weights/safetensors.js';

/** The files that training alone decides. */
const files = ['best.safetensors', 'last.safetensors', 'state.safetensors', 'metrics.jsonl'] as const;

/** Hashes of the run's options, which name a graph that is switched off, and of all metadata. */
const ofOptions: readonly string[] = ['options', 'sha256'];

/** The files in which two run folders differ by a bit, apart from what their options are; in words. */
export async function differences(one: string, other: string): Promise<string[]> {
  const differing: string[] = [];
  for (const file of files) {
    const [first, second] = await Promise.all([contentOf(join(one, file)), contentOf(join(other, file))]);
    if (!first.equals(second)) differing.push(`${file} differs between ${one} and ${other}`);
  }
  return differing;
}

async function contentOf(path: string): Promise<Buffer> {
  if (!path.endsWith('.safetensors')) return readFile(path);
  const { tensors, metadata } = await readSafetensors(path);
  const words = [...metadata].filter(([key]) => !ofOptions.includes(key));
  const entries = [...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape]);
  const head = Buffer.from(JSON.stringify([words, entries]));
  return Buffer.concat([head, ...[...tensors.values()].map(({ data }) => data)]);
}
