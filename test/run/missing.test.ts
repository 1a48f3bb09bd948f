import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { transfer } from '../../src/index.js';
import { toTensorMap } from '../../src/native/tensor.js';
import { loadCheckpoint } from '../../src/networks/checkpoint.js';
import { writeSafetensors } from '../../src/networks/weights/safetensors.js';
import { cli, temporaryFolder, tinyData, tinyFlags, tinySource } from '../tiny.js';

const folder = temporaryFolder();
const data = tinyData(4);
/** A file like other programs' ones, which does not name its network. */
const source = join(folder, 'source.safetensors');
await writeSafetensors(source, toTensorMap((await loadCheckpoint(await tinySource())).weights), new Map());
const without = async (...args: string[]) => (await cli(args, { cwd: folder })).stderr;

it('names all that is missing at once, proposes a target, and writes the whole command', async () => {
  const nothing = await without('transfer');
  expect(nothing).toMatch(
    /^error\[INVALID_OPTION\]: --source, --target and --data are missing\.\n--source: pretrained/,
  );
  expect(nothing).toMatch(/\n--target: network to train; one of resnet20, .*\n--data: .*\nAs in: l2t-native transfer /);
  const target = await without('transfer', '--data', data, '--source', source);
  expect(target).toContain(
    '--target: network to train; vgg9_bn fits the source, a resnet20, and images of 32 pixels\n',
  );
  const [, line = ''] = /^As in: l2t-native (.*)$/m.exec(target) ?? [];
  expect(line).toBe(`transfer --source ${source} --target vgg9_bn --data ${data}`);
  expect(existsSync(join(folder, 'runs'))).toBe(false);
  expect(await without('compare', '--methods', 'scratch', '--data', data)).toMatch(
    /: --target is missing\.\n--target: .*; vgg9_bn fits images of 32 pixels\nAs in: l2t-native compare --target vgg9_bn --data \S+ --methods scratch\n$/,
  );
  expect(await without('transfer', '--method', 'finetune', '--target-init', source, '--data', data)).toMatch(
    /--target: network to train; resnet20 fits \S+source\.safetensors\n/,
  );
  await expect(transfer({ data, source } as never).result).rejects.toThrow(/^target is missing\.\ntarget: [^\n]*$/);
});

it("takes the source's network from its entries, and says so", async () => {
  const args = ['transfer', '--data', data, '--source', source, ...tinyFlags, '--epochs', '1', '--no-report'];
  const { code, stderr } = await cli([...args, '--out', join(folder, 'run')]);
  expect(stderr).toContain(`${source} has the entries of a resnet20\n`);
  expect(code).toBe(0);
});
