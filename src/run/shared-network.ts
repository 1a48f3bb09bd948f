import { existsSync } from 'node:fs';
import type { Group } from '../group/group.js';
import type { NamedTensor } from '../native/addon.js';
import { type Checkpoint, loadCheckpoint } from '../networks/checkpoint.js';

/** Bytes that are sent at once. */
const most = 2 ** 23;

/** The network in a file that all ranks can read; or else rank 0 reads it, and sends it to the others. */
export async function sharedNetwork(path: string, group: Group): Promise<Checkpoint> {
  const seen = await group.all(() => existsSync(path));
  if (seen.every((own) => own)) return loadCheckpoint(path);
  let own: Checkpoint | undefined;
  const { weights, ...head } = await group.fromFirst(async () => {
    own = await loadCheckpoint(path);
    return {
      ...own,
      weights: own.weights.map(({ name, dtype, shape, data }) => ({ name, dtype, shape, bytes: data.length })),
    };
  });
  const sent: NamedTensor[] = [];
  for (const [k, { bytes, ...tensor }] of weights.entries()) {
    sent.push({ ...tensor, data: await fromFirst(own?.weights[k]?.data, bytes, group) });
  }
  return { ...head, weights: sent };
}

/** `data`: on rank 0. */
async function fromFirst(data: Uint8Array | undefined, bytes: number, group: Group): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  for (let start = 0; start < bytes; start += most) {
    const part = await group.fromFirst(() => Buffer.from(data?.subarray(start, start + most) ?? []).toString('base64'));
    parts.push(Buffer.from(part, 'base64'));
  }
  return new Uint8Array(Buffer.concat(parts));
}
