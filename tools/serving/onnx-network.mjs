/**
 * Loaded before examples/serve.mjs, this replaces its Network: `Network.load` takes an exported network, which ONNX
 * Runtime runs, and sharp decodes the images.
 */
import { Network } from 'l2t-native';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';

/** What the server calls of a Network. */
class OnnxNetwork {
  /**
   * @param {InferenceSession} session
   * @param {number} size side of its images, pixels
   */
  constructor(session, size) {
    this.session = session;
    this.size = size;
  }

  /** @param {Buffer} image */
  decode(image) {
    const fitted = sharp(image).resize(this.size, this.size, { fit: 'fill' });
    return fitted.removeAlpha().toColourspace('srgb').raw().toBuffer();
  }

  /** @param {readonly Buffer[]} images */
  async *predictEach(images) {
    const area = this.size ** 2;
    const input = new Float32Array(images.length * 3 * area);
    images.forEach((image, k) => {
      for (let at = 0; at < area; at++) {
        for (let channel = 0; channel < 3; channel++) {
          input[(3 * k + channel) * area + at] = /** @type {number} */ (image[3 * at + channel]) / 255;
        }
      }
    });
    const tensor = new Tensor('float32', input, [images.length, 3, this.size, this.size]);
    const { logits } = await this.session.run({ images: tensor });
    const { data, dims } = /** @type {Tensor} */ (logits);
    const values = /** @type {Float32Array} */ (data);
    const classes = /** @type {number} */ (dims[1]);
    for (let k = 0; k < images.length; k++) {
      const row = values.subarray(k * classes, (k + 1) * classes);
      const max = Math.max(...row);
      const sum = row.reduce((total, value) => total + Math.exp(value - max), 0);
      yield { index: row.indexOf(max), probability: 1 / sum };
    }
  }
}

/** @param {string} file */
async function load(file) {
  const session = await InferenceSession.create(file);
  const [images] = session.inputMetadata;
  const [size] = images?.isTensor ? images.shape.slice(2) : [];
  return new OnnxNetwork(session, Number(size));
}

Object.assign(Network, { load });
