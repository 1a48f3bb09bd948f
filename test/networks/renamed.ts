import { join } from 'node:path';
import type { Tensor } from '../../src/native/tensor.js';
import { readSafetensors, writeSafetensors } from '../../src/networks/weights/safetensors.js';
import { temporaryFolder } from '../tiny.js';

/** The tensors of a network in a file of another program. `name`: what it calls each; undefined: it has none. */
export async function renamed(
  source: string,
  name: (own: string) => string | undefined = (own) => own,
  more: [string, Tensor][] = [],
): Promise<string> {
  const { tensors } = await readSafetensors(source);
  const entries = [...tensors].flatMap(([own, each]): [string, Tensor][] => {
    const other = name(own);
    return other === undefined ? [] : [[other, each]];
  });
  const file = join(temporaryFolder(), 'renamed.safetensors');
  await writeSafetensors(file, new Map([...entries, ...more]));
  return file;
}
