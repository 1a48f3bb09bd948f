import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { imagenetNormalisation } from '../../src/options/networks.js';
import { begin, read, type SourceSpec } from '../../src/options/spec.js';
import { codeOf, type ModelCard, modelCard } from '../../src/report/model-card.js';

const digest = hash('sha256', 'x');

const sources = [
  { path: '/home/me/big.pth', network: 'resnet32', width: 1, size: 32, pairs: 'all-to-all' },
  { path: '/home/me/svhn/best.safetensors', network: 'resnet20', width: 1, size: 32, licence: 'CC BY 4.0' },
] as const satisfies SourceSpec[];
const draft = read({
  ...{ target: 'vgg9_bn', width: 0.25, data: '/home/me/photos', source: sources.map(({ path }) => path) },
  ...{ perClass: 20, epochs: 12, seed: 7, report: false, metaBatch: 'other' },
});
const spec = begin({ ...draft, batch: 32 }, { device: 'cpu', threads: 2, images: 40, sources });

const card = {
  record: {
    format: 5,
    verb: 'transfer',
    ranks: 1,
    spec: { ...spec, sources },
    found: { classNames: ['cat', 'dog'], data: digest, split: digest, sources: [digest, digest] },
  },
  network: { name: 'vgg9_bn', classes: 2, width: 0.25 },
  normalisation: imagenetNormalisation,
  lr: 0.02,
  images: { train: 1040, validation: 0, test: 40 },
  testDrawn: true,
  result: { correct: 31, total: 40, topK: null, best: { epoch: 11, accuracy: null, selected: false } },
} satisfies ModelCard;

/** A card with some parts replaced. */
const cardWith = (options: object, rest: Partial<ModelCard> = {}) =>
  modelCard({ ...card, record: { ...card.record, spec: { ...card.record.spec, ...options } }, ...rest });

describe('the model card', () => {
  it('says what was measured, on what, and how', () => {
    const text = modelCard(card);
    for (const part of [
      '**Test accuracy 77.5 %** (31 of 40 images, a tenth of each class that was held out).',
      '- Network: vgg9_bn, width 0.25, 578,754 parameters',
      'mean 0.485, 0.456, 0.406 and std 0.229, 0.224, 0.225',
      '- Data: `photos`, 1,040 training images (20 a class, drawn from more), 0 validation images, 40 test images',
      '- 2 classes: `cat`, `dog`',
      `- Source: \`big.pth\` (weights ${digest.slice(0, 12)}): resnet32, width 1, images of 32 × 32, pairs \`all-to-all\`. Licence: not stated`,
      'resnet20, width 1, images of 32 × 32. Licence: `CC BY 4.0`',
      '`svhn/best.safetensors`',
      '- The weights are those of epoch 12 of 12, the last\n',
      '- Batch 32, learning rate 0.02, seed 7\n',
    ]) {
      expect(text).toContain(part);
    }
    // Paths of files are private.
    expect(text).not.toContain('/home');
    // torchvision has no such network.
    expect(text).not.toContain('torchvision');
    // No value is lost on the way.
    expect(text).not.toMatch(/undefined|NaN|\[object|null/);
  });

  it('of a network that torchvision has says how it loads there', () => {
    const text = cardWith({}, { network: { name: 'resnet18', classes: 2, width: 1 } });
    expect(text).toContain('l2t-native export best.safetensors --to torchvision --out weights.safetensors');
  });

  it('says where there is no test, no source, or another start', () => {
    const result = { correct: null, total: null, topK: null, best: { epoch: 3, accuracy: 0.5, selected: true } };
    const text = cardWith({ sources: [] }, { result });
    expect(text).toContain('Its accuracy was not measured: the data has no test images.');
    expect(text).toContain('- Starts from random weights, without a source');
    expect(text).toContain('epoch 4 of 12, the best on the validation images; validation accuracy 50.0 %');
    const started = cardWith({ sources: [], targetInit: '/a/b.pth', sourceLicence: 'MIT' });
    expect(started).toContain('- Starts from `b.pth`. Licence: `MIT`');
  });

  it("shows a person's names as text", () => {
    const hostile = ['<script>alert(1)</script>', '](http://x)', '`<b>`', '``', 'a\n# b', '![x](y)', ' c ', '| d'];
    const first: SourceSpec = sources[0];
    const options = {
      data: `/x/${'<img src=x>'}`,
      sources: [{ ...first, licence: '<i> `` [a](b)' }],
    };
    const record = { ...card.record, spec: { ...card.record.spec, ...options } };
    const text = modelCard({
      ...card,
      record: { ...record, found: { ...record.found, classNames: hostile } },
      network: { ...card.network, classes: hostile.length },
    });
    // CommonMark: a code span lasts from a run of backticks to the next run of equal length.
    const rest = text.replaceAll(/```[\s\S]*?```/g, '').replaceAll(/(?<!`)(`+)(?!`)[^\n]*?(?<!`)\1(?!`)/g, '');
    expect(rest).toContain('8 classes: , , , , , , , \n');
    expect(rest).not.toMatch(/<|script|!\[|http:|img|\\n/);
    expect(text).toContain('`<script>alert(1)</script>`');
  });

  it('code keeps what is in it', () => {
    expect(['a', '`', 'a``b', ' a', 'a\u001bb'].map(codeOf)).toEqual([
      ...['`a`', '`` ` ``', '``` a``b ```', '`  a `', '`a\\u001bb`'],
    ]);
  });
});
