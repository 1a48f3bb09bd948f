import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { exportNetwork, networkNames } from '../../src/index.js';
import { inputOf, networkWith, ownLogits, realImages, tolerance, worst } from '../networks/export/cases.js';
import { temporaryFolder } from '../tiny.js';
import { describeWithPython } from './python.js';

/** Checks a model in full, and runs it on images, float32 in a file. */
const program = `
import numpy, onnx, onnxruntime
shown = lambda value: [value.name, value.shape]
def answer(path, images, count):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    [given] = session.get_inputs()
    x = numpy.fromfile(images, dtype="<f4").reshape(count, *given.shape[1:])
    [y] = session.run(None, {given.name: x})
    return {
        "opset": [[entry.domain, entry.version] for entry in model.opset_import],
        "input": shown(given),
        "outputs": [shown(value) for value in session.get_outputs()],
        "metadata": {entry.key: entry.value for entry in model.metadata_props},
        "logits": y.flatten().tolist(),
    }
`;

interface Answer {
  readonly metadata: Readonly<Record<string, string>>;
  readonly logits: readonly number[];
}

const cases = networkNames.flatMap((name) => [[name, 'outside'] as const, [name, 'inside'] as const]);

describeWithPython("ONNX's checker and ONNX Runtime", ['onnx', 'onnxruntime'], program, (ask) => {
  it.each(cases)('accept an exported %s, normalised %s, and agree with us', async (name, normalise) => {
    const checkpoint = networkWith(name, 0.25);
    const folder = temporaryFolder();
    const [out, images] = [join(folder, 'model.onnx'), join(folder, 'images')];
    await exportNetwork(checkpoint, { to: 'onnx', out, normalise });
    const pixels = await realImages(5, checkpoint.size);
    writeFileSync(images, inputOf(pixels, checkpoint, normalise));
    const answer = (await ask(out, images, 5)) as Answer;
    expect(answer).toMatchObject({
      opset: [['', 17]],
      input: ['images', ['batch', 3, checkpoint.size, checkpoint.size]],
      outputs: [['logits', ['batch', 7]]],
      metadata: { network: name, size: String(checkpoint.size), normalise },
    });
    expect(JSON.parse(answer.metadata.class_names as string)).toEqual(checkpoint.classNames);
    expect(JSON.parse(answer.metadata.normalisation as string)).toEqual(checkpoint.normalisation);
    expect(worst(answer.logits, await ownLogits(checkpoint, pixels))).toBeLessThan(tolerance);
  });
});
