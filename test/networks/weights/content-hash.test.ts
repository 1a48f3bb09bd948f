import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { L2TError, resume, transfer } from '../../../src/index.js';
import { addon } from '../../../src/native/addon.js';
import { type Checkpoint, loadCheckpoint, saveCheckpoint, toCheckpoint } from '../../../src/networks/checkpoint.js';
import { parseSafetensors, readSafetensors, writeSafetensors } from '../../../src/networks/weights/safetensors.js';
import { imagenetNormalisation } from '../../../src/options/networks.js';
import { inspectRun } from '../../../src/report/inspect.js';
import { bitFlips } from '../../damage.js';
import { cli, temporaryFolder, tinyData, tinyOptions } from '../../tiny.js';

const spec = { name: 'vgg9_bn', classes: 3, width: 0.125 } as const;
const data = tinyData();
let file: string;
let bytes: Buffer;
beforeAll(async () => {
  file = join(temporaryFolder(), 'network.safetensors');
  const classNames = ['left', 'middle', 'right'];
  const weights = addon().initialise(spec, 1);
  await saveCheckpoint(file, { network: spec, size: 32, classNames, normalisation: imagenetNormalisation, weights });
  bytes = readFileSync(file);
});

/** Reads it as every verb does, told all that a file may leave unsaid: then nothing but the content shows the damage. */
function read(content: Uint8Array): Checkpoint {
  const { tensors, metadata } = parseSafetensors(content, 'x');
  return toCheckpoint({ tensors, metadata, format: 'safetensors' }, 'x', { network: spec.name, width: spec.width });
}

/** One bit of every third byte of the header, at a place that differs from byte to byte. */
function* headerFlips(): Generator<Uint8Array> {
  const length = 8 + Number(bytes.readBigUInt64LE());
  for (let at = 0; at < length; at += 3) {
    const flipped = new Uint8Array(bytes);
    flipped[at] = (flipped[at] as number) ^ (1 << ((at * 5 + (at >> 3)) % 8));
    yield flipped;
  }
}

describe('a flipped bit in a checkpoint', { timeout: 120_000 }, () => {
  it('is found wherever it is', () => {
    expect(read(bytes).weights.length).toBeGreaterThan(0);
    for (const flipped of [...headerFlips(), ...bitFlips(bytes, 100)]) expect(() => read(flipped)).toThrow(L2TError);
  });

  it('is named where a person reads it', async () => {
    const damaged = join(temporaryFolder(), 'damaged.safetensors');
    writeFileSync(damaged, [...bitFlips(bytes, 1, 7)][0] as Uint8Array);
    expect(await cli(['predict', 'x.png', '--checkpoint', damaged])).toMatchObject({
      code: 1,
      stderr: `error[INVALID_WEIGHTS]: ${damaged} is damaged: its content does not have the checksum in its metadata. Fetch or save it again. (A program that changes a checkpoint must remove the metadata entry sha256.)\n`,
    });
  });

  it('is found by the resume of a finished run, in each of its weights files, and by inspect', async () => {
    const { pairs: _, ...common } = tinyOptions;
    const out = join(temporaryFolder(), 'run');
    const { run } = await transfer({ ...common, method: 'scratch', data, epochs: 1, out }).result;
    for (const name of ['best', 'last', 'state']) {
      const path = join(run, `${name}.safetensors`);
      const sound = readFileSync(path);
      for (const flipped of bitFlips(sound, 5)) {
        writeFileSync(path, flipped);
        await expect(resume(run).result).rejects.toMatchObject({ code: 'INVALID_RUN' });
        if (name === 'best') await expect(inspectRun(run)).rejects.toMatchObject({ code: 'INVALID_WEIGHTS' });
      }
      writeFileSync(path, sound);
    }
    expect((await resume(run).result).run).toBe(run);
  });
});

describe('a file without a hash of its own', () => {
  it('which another program has removed, or gives another meaning, is read as it is', async () => {
    const { tensors, metadata } = await readSafetensors(file);
    const path = join(temporaryFolder(), 'other.safetensors');
    await writeSafetensors(path, tensors, new Map([...metadata].filter(([key]) => key !== 'sha256')));
    expect(await loadCheckpoint(path)).toEqual(await loadCheckpoint(file));
    const other = { format: 'pt', sha256: 'of something else' };
    await writeSafetensors(path, tensors, new Map(Object.entries(other)));
    expect((await loadCheckpoint(path, { network: 'vgg9_bn', width: 0.125 })).weights.length).toBeGreaterThan(0);
  });
});
