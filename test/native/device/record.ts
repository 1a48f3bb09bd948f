/**
 * `npm run operations`: counts what iterations, batches and evaluations ask of the device, and writes
 * bench/operations.json, with which `npm test` compares.
 */
import { type Counts, evaluate, images, targets, train } from './cases.js';
import { writeRecord } from './recorded.js';

const recorded: Record<string, Counts> = { input: images(32).counts };
for (const target of targets) {
  recorded[`${target.target} evaluate`] = evaluate(target).counts;
  for (const method of target.methods) {
    process.stderr.write(`${target.target} ${method}\n`);
    for (const { engine, backend, counts } of train(target, method)) {
      recorded[`${target.target} ${method} ${engine} ${backend}`] = counts;
    }
  }
}
writeRecord(recorded);
