/**
 * A server that classifies images:
 *   npm install fastify @fastify/multipart
 *   node serve.mjs runs/first
 *   curl -F image=@photo.jpg http://localhost:8080/classify
 * The environment variables PORT, MAX_REQUESTS and REQUEST_TIMEOUT change its port and its limits. docs/typescript.md
 * says what it limits, and how fast it is.
 */
import multipart from '@fastify/multipart';
import Fastify from 'fastify';
import { L2TError, Network } from 'l2t-native';

/**
 * @import { FastifyError, FastifyRequest } from 'fastify'
 * @import { DecodedImage, Prediction } from 'l2t-native'
 */

const [run] = process.argv.slice(2);
if (run === undefined) {
  console.error("usage: node serve.mjs RUN    (a run's folder, or a file of weights)");
  process.exit(2);
}

const port = Number(process.env.PORT ?? 8080);
const maxRequests = Number(process.env.MAX_REQUESTS ?? 128); // in progress
const requestTimeout = Number(process.env.REQUEST_TIMEOUT ?? 30_000); // milliseconds until a request has arrived
const maxBytes = 4 * 2 ** 20; // of a request's body
const maxPixels = 24_000_000; // of an image
const smallPixels = 4_000_000; // larger images are decoded one at a time
const maxBatch = 32; // images that are inferred together
const imageTypes = ['image/png', 'image/jpeg', 'image/webp', 'image/gif', 'image/avif'];

const network = await Network.load(run);

// Decoding: small images at once, large ones in a queue, so that a large image delays no small one.

/** @type {Promise<unknown>} */
let lastLarge = Promise.resolve();

/** @param {Buffer} body */
async function decode(body) {
  try {
    return await network.decode(body, { maxPixels: smallPixels });
  } catch {
    // The image is large or damaged.
    const decoded = lastLarge.then(() => network.decode(body, { maxPixels }));
    lastLarge = decoded.catch(() => {});
    return decoded;
  }
}

// Inference: the images that were decoded during a batch are the next batch.

/** @type {{ image: DecodedImage, resolve: (outcome: Prediction | L2TError) => void }[]} */
const queue = [];
let inferring = false;

/**
 * @param {DecodedImage} image
 * @returns {Promise<Prediction | L2TError>}
 */
function classify(image) {
  return new Promise((resolve) => {
    queue.push({ image, resolve });
    if (!inferring) setImmediate(inferQueue);
    inferring = true;
  });
}

async function inferQueue() {
  while (queue.length > 0) {
    const batch = queue.splice(0, maxBatch);
    const images = batch.map(({ image }) => image);
    try {
      for await (const outcome of network.predictEach(images)) batch.shift()?.resolve(outcome);
    } catch (error) {
      for (const { resolve } of batch) resolve(/** @type {L2TError} */ (error));
    }
  }
  inferring = false;
}

// Requests: an image as the body, or as the file of a form. Every answer but 200 is { error }.

const app = Fastify({
  bodyLimit: maxBytes,
  requestTimeout,
  http: { headersTimeout: requestTimeout, connectionsCheckingInterval: 1000 },
});
app.removeAllContentTypeParsers();
app.addContentTypeParser(imageTypes, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
await app.register(multipart, { limits: { fileSize: maxBytes } });

const noImage = `Send one image, as ${imageTypes.join(', ')}, or as the file of a form (multipart/form-data).`;
app.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: 'POST an image to /classify.' }));
app.setErrorHandler((/** @type {FastifyError} */ { statusCode = 500, message }, _request, reply) =>
  reply.code(statusCode).send({ error: statusCode === 415 ? noImage : message }),
);

/** @param {FastifyRequest} request */
async function imageOf(request) {
  if (Buffer.isBuffer(request.body)) return request.body;
  const file = request.isMultipart() ? await request.file() : undefined;
  if (file === undefined) throw Object.assign(new Error(noImage), { statusCode: 415 });
  return file.toBuffer();
}

let requests = 0;
/** @type {WeakMap<FastifyRequest, Promise<unknown>>} */
const outcomes = new WeakMap();

app.addHook('onRequest', async (request, reply) => {
  if (requests >= maxRequests) {
    return reply.code(503).header('retry-after', 1).send({ error: 'Too many requests: come again.' });
  }
  requests++;
  reply.raw.once('close', async () => {
    await outcomes.get(request); // a client may leave before its image is done
    requests--;
  });
});

app.post('/classify', async (request, reply) => {
  const image = await imageOf(request);
  const working = decode(image).then(classify, (/** @type {L2TError} */ error) => error);
  outcomes.set(request, working);
  const outcome = await working;
  if (!(outcome instanceof L2TError)) return outcome;
  const error = outcome.message.replace(/^Image \d+/, 'The image');
  return reply.code(outcome.code === 'INVALID_DATA' ? 422 : 500).send({ error });
});

// The end: SIGINT and SIGTERM let it answer the requests that it has.

let ending = false;
app.addHook('onSend', async (_request, reply) => {
  if (ending) reply.header('connection', 'close'); // an open connection would keep the server alive
});
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    ending = true;
    void app.close();
    setTimeout(() => app.server.closeAllConnections(), requestTimeout).unref(); // for clients that never finish sending
  });
}

console.log(await app.listen({ port }));
