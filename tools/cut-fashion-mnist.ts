// Cuts data/fashion-mnist, the demo's small subset, from the full set as Debian's package dataset-fashion-mnist
// installs it: `npx tsx tools/cut-fashion-mnist.ts [FROM] [TO]`. Takes the first N images of each class, in their order.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';

const [from = '/usr/share/datasets/fashion-mnist', to = 'data/fashion-mnist'] = process.argv.slice(2);

/** The demo's source network learns these classes; its target learns the others from a few images each. */
const sourceClasses = new Set([0, 1, 3, 5, 7]);
const counts: Record<string, (label: number) => number> = {
  train: (label) => (sourceClasses.has(label) ? 550 : 60),
  t10k: (label) => (sourceClasses.has(label) ? 60 : 500),
};
const names = 'T-shirt/top Trouser Pullover Dress Coat Sandal Shirt Sneaker Bag Ankle_boot'.split(' ');

mkdirSync(to, { recursive: true });
for (const [split, maxOfClass] of Object.entries(counts)) {
  const images = gunzipSync(readFileSync(join(from, `${split}-images-idx3-ubyte.gz`)));
  const labels = gunzipSync(readFileSync(join(from, `${split}-labels-idx1-ubyte.gz`)));
  const pixels = images.readUInt32BE(8) * images.readUInt32BE(12);
  const taken = names.map(() => 0);
  const kept: number[] = [];
  for (let image = 0; image < labels.readUInt32BE(4); image++) {
    const label = labels.readUInt8(8 + image);
    if (taken[label] === maxOfClass(label)) continue;
    taken[label] = (taken[label] ?? 0) + 1;
    kept.push(image);
  }
  const count = Buffer.alloc(4);
  count.writeUInt32BE(kept.length);
  const write = (kind: string, ...parts: Buffer[]): void =>
    writeFileSync(join(to, `${split}-${kind}-ubyte.gz`), gzipSync(Buffer.concat(parts), { level: 9 }));
  write(
    'images-idx3',
    images.subarray(0, 4),
    count,
    images.subarray(8, 16),
    ...kept.map((image) => images.subarray(16 + image * pixels, 16 + (image + 1) * pixels)),
  );
  write('labels-idx1', labels.subarray(0, 4), count, Buffer.from(kept.map((image) => labels.readUInt8(8 + image))));
  console.log(`${split}: ${kept.length} images, a class ${taken.join(' ')}`);
}
writeFileSync(join(to, 'classes.txt'), names.map((name) => `${name.replace('_', ' ')}\n`).join(''));
