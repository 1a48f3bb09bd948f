import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { evaluate, exportNetwork, loadCheckpoint } from '../../src/index.js';
import { tokenNet, writeModel } from '../networks/onnx/models.js';
import { cli, temporaryFolder, tinyData, tinySource } from '../tiny.js';

const names = ['right', 'left', 'middle'];
let data: string;
beforeAll(() => {
  data = tinyData();
});

/** A network with these classes as an ONNX file. */
async function exported(classes: readonly string[]) {
  const checkpoint = await tinySource({ width: 0.25 }, { names: classes });
  const out = join(temporaryFolder(), 'network.onnx');
  await exportNetwork(await loadCheckpoint(checkpoint), { to: 'onnx', out });
  return { checkpoint, out };
}

describe('an ONNX file that is evaluated', { timeout: 60_000 }, () => {
  it('gives what the network gives from which it was exported, its classes found by their names', async () => {
    const { checkpoint, out } = await exported(names);
    const [ours, theirs] = [await evaluate(checkpoint, { data }), await evaluate(out, { data })];
    expect(theirs).toEqual({ ...ours, network: 'onnx', loss: expect.closeTo(ours.loss, 5) });
  });

  it('needs names of its classes, which a file can give', async () => {
    const file = writeModel(tokenNet());
    const refused = await cli(['eval', file, '--data', data]);
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringMatching(/no names of its classes.*--class-names/),
    ]);
    const list = join(temporaryFolder(), 'names.txt');
    writeFileSync(list, `${['a', 'left', 'b', 'right', 'middle'].join('\n')}\n`);
    const { code, stdout } = await cli(['eval', file, '--data', data, '--class-names', list, '--json']);
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { total: 30, network: 'onnx' }]);
  });

  it('is refused where the data has a class that it does not know', async () => {
    const { out } = await exported(['right', 'left', 'other']);
    await expect(evaluate(out, { data })).rejects.toMatchObject({ code: 'INVALID_DATA' });
  });
});
