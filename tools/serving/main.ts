/**
 * `npx tsx tools/serving/main.ts [SECONDS]`: examples/serve.mjs, with a Network and with ONNX Runtime on the exported network, by
 * turns on this machine. Prints p50, p99 and images a second as Markdown. Weights are random: they do not change the time.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { loadData } from '../../src/data/load.js';
import { evaluationSplit } from '../../src/data/split.js';
import { exportNetwork, type NetworkName, saveCheckpoint } from '../../src/index.js';
import { addon } from '../../src/native/addon.js';
import { defaultSize, imagenetNormalisation } from '../../src/options/networks.js';
import { type Server, startServer, stopServer } from './server.js';

const cases: readonly (readonly [name: NetworkName, width: number])[] = [
  ['vgg9_bn', 0.25],
  ['resnet18', 1],
];
const clientCounts = [1, 16];
const rounds = 3;
const seconds = Number(process.argv[2] ?? 3);
if (!(seconds > 0))
  throw new Error('The seconds of a measurement must be a number above 0: npx tsx tools/serving/main.ts 3');

const folder = mkdtempSync(join(tmpdir(), 'l2t-serving-'));
const fashion = fileURLToPath(new URL('../../data/fashion-mnist', import.meta.url));

/** Fashion-MNIST's first test images as JPEGs of 400×400. */
async function photographs(count: number): Promise<Buffer[]> {
  const list = evaluationSplit(await loadData({ data: fashion }));
  const jpeg = async (_: unknown, k: number) => {
    const { pixels, height, width } = await list.read(k);
    const image = sharp(pixels, { raw: { width, height, channels: 3 } }).resize(400, 400);
    return image.jpeg().toBuffer();
  };
  return Promise.all(Array.from({ length: count }, jpeg));
}

const started: Server[] = [];
const start = async (...args: Parameters<typeof startServer>): Promise<Server> => {
  const server = await startServer(...args);
  started.push(server);
  return server;
};

/** Starts both servers of a network, by what infers. */
async function startServers(name: NetworkName, width: number): Promise<ReadonlyMap<string, Server>> {
  const network = { name, classes: 10, width };
  const [checkpoint, out] = ['safetensors', 'onnx'].map((end) => join(folder, `${name}.${end}`)) as [string, string];
  const weights = addon().initialise(network, 1);
  const size = defaultSize(name);
  const described = { network, size, classNames: undefined, normalisation: imagenetNormalisation };
  await saveCheckpoint(checkpoint, { ...described, weights });
  await exportNetwork(checkpoint, { to: 'onnx', out, normalise: 'inside' });
  return new Map([
    ['Network', await start(checkpoint)],
    ['onnxruntime-node', await start(out, { preload: 'tools/serving/onnx-network.mjs' })],
  ]);
}

interface Load {
  /** Milliseconds of each request. */
  readonly times: number[];
  /** Milliseconds until the last answer. */
  readonly elapsed: number;
}

/** The requests of some clients, who each send the next image when they have the answer to the last. */
async function load(url: string, images: readonly Buffer[], clients: number): Promise<Load> {
  const times: number[] = [];
  const start = performance.now();
  const end = start + 1000 * seconds;
  const client = async (first: number) => {
    for (let k = first; performance.now() < end; k++) {
      const begin = performance.now();
      const body = images[k % images.length] as Buffer;
      const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'image/jpeg' }, body });
      if (answer.status !== 200) throw new Error(`The server answers ${answer.status}: ${await answer.text()}`);
      await answer.json();
      times.push(performance.now() - begin);
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, k) => client(k)));
  return { times, elapsed: performance.now() - start };
}

const quantile = (times: readonly number[], part: number): string =>
  (times.toSorted((a, b) => a - b)[Math.ceil(part * times.length) - 1] as number).toFixed(1);

const [{ model = 'unknown' } = {}] = cpus();
const cores = `${availableParallelism()} cores of ${model}`;
console.log(`${cores}, Node ${process.version}; load ${loadavg()[0]?.toFixed(1)} before\n`);
console.log('| network | infers | clients | p50, ms | p99, ms | images a second |\n|---|---|---|---|---|---|');
const images = await photographs(64);
try {
  for (const [name, width] of cases) {
    const servers = await startServers(name, width);
    for (const clients of clientCounts) {
      for (const { url } of servers.values()) await load(url, images, clients); // warm-up
      const loads = new Map<string, Load[]>();
      for (let round = 0; round < rounds; round++) {
        for (const [what, { url }] of servers) {
          loads.set(what, [...(loads.get(what) ?? []), await load(url, images, clients)]);
        }
      }
      for (const [what, measured] of loads) {
        const times = measured.flatMap((each) => each.times);
        const elapsed = measured.reduce((sum, each) => sum + each.elapsed, 0);
        const rate = ((1000 * times.length) / elapsed).toFixed(1);
        const size = `${defaultSize(name)}×${defaultSize(name)}`;
        const numbers = [clients, quantile(times, 0.5), quantile(times, 0.99), rate];
        console.log(`| ${name}, width ${width}, ${size} | ${what} | ${numbers.join(' | ')} |`);
      }
    }
    for (const server of servers.values()) await stopServer(server);
  }
} finally {
  for (const { child } of started) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
