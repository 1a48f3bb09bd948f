/**
 * Loaded before examples/serve.mjs, this prints a line when a request comes, when an image is decoded, and how many are
 * inferred at once. Each batch takes a while, in which others are decoded, however fast this machine infers.
 */
import { subscribe } from 'node:diagnostics_channel';
import { setTimeout as delay } from 'node:timers/promises';
import { Network } from 'l2t-native';

subscribe('http.server.request.start', () => console.log('request'));

const { decode, predictEach } = Network.prototype;
/** @type {typeof decode} */
Network.prototype.decode = function (image, options) {
  console.log('decode');
  return decode.call(this, image, options);
};
/** @type {typeof predictEach} */
Network.prototype.predictEach = async function* (images, options) {
  console.log(`batch ${images.length}`);
  await delay(50);
  yield* predictEach.call(this, images, options);
};
