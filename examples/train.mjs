/**
 * Trains the best network within a budget, and classifies an image with it:
 *   node train.mjs DATA SOURCE [MAX_MS [SECONDS]]
 *   node train.mjs photos resnet32.pth 5 1800
 * DATA has a folder of images for each class. SOURCE is a pretrained network. The result takes at most MAX_MS for an
 * image, and its training about SECONDS. Ctrl-C saves everything; the message then says how to continue.
 */
import { L2TError, listImages, Network, train } from 'l2t-native';

const [data, source, maxMs = '5', seconds = '1800'] = process.argv.slice(2);
if (data === undefined || source === undefined) {
  console.error('usage: node train.mjs DATA SOURCE [MAX_MS [SECONDS]]');
  process.exit(2);
}

const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort());
const percent = (/** @type {number} */ part) => `${(100 * part).toFixed(1)} %`;

try {
  const training = train({ data, source, maxMs: Number(maxMs), time: Number(seconds), signal: interrupt.signal });
  for await (const event of training) {
    if (event.type === 'note' || event.type === 'warning') console.log(event.message);
    if (event.type === 'epoch') {
      console.log(`${event.stage}: epoch ${event.epoch + 1} of ${event.epochs}, ${percent(event.accuracy)} right`);
    }
  }
  const { rows, sentence, checkpoint } = await training.result;
  for (const { name, network, accuracy, ms } of rows) {
    console.log(
      `${name}: ${network}, ${percent(accuracy?.mean ?? Number.NaN)} of the test images, ${ms.toFixed(2)} ms`,
    );
  }
  console.log(`${sentence}\nThe network is ${checkpoint}`);

  const network = await Network.load(checkpoint);
  const [image = ''] = await listImages([data]);
  for (const { label, probability } of await network.predict([image])) {
    console.log(`${image}: ${label}, ${percent(probability)}`);
  }
} catch (error) {
  if (!(error instanceof L2TError)) throw error;
  console.error(error.message); // it says what to do
  process.exitCode = 1;
}
