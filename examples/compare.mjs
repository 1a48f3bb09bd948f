/**
 * Compares a network that learns from a source with the same network from scratch, over several seeds:
 *   node compare.mjs DATA SOURCE [EPOCHS [SEEDS]]
 *   node compare.mjs photos resnet32.pth 200 3
 */
import { compare } from 'l2t-native';

const [data, source, epochs = '200', seeds = '3'] = process.argv.slice(2);
if (data === undefined || source === undefined) {
  console.error('usage: node compare.mjs DATA SOURCE [EPOCHS [SEEDS]]');
  process.exit(2);
}

const { rows, conclusions, out } = await compare({
  methods: ['l2t-ww', 'scratch'],
  data,
  source,
  target: 'vgg9_bn',
  width: 0.25,
  epochs: Number(epochs),
  seeds: Number(seeds),
  onWarning: console.warn,
  async follow(run, method, seed) {
    const result = await run.result;
    console.log(`${method}, seed ${seed}: ${result.seconds.toFixed(0)} s`);
    return result;
  },
});

const percent = (/** @type {number | null} */ part) => (part === null ? 'none' : (100 * part).toFixed(1));
for (const { label, mean, accuracies } of rows) {
  console.log(`${label.padEnd(8)}  ${percent(mean)} % of the test images (${accuracies.map(percent).join(', ')})`);
}
console.log(conclusions.join('\n'));
console.log(`The table is ${out}/comparison.md`);
