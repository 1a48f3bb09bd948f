/**
 * Returns the text of a module that replaces a Network in the documented server: ONNX Runtime runs the exported
 * network, and sharp decodes the images.
 */
export const onnxNetwork = (file: string, size: number): string => `
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';
const session = await InferenceSession.create(${JSON.stringify(file)});
const [size, area] = [${size}, ${size ** 2}];
const network = {
  decode: (image) => sharp(image).resize(size, size, { fit: 'fill' }).removeAlpha().toColourspace('srgb').raw().toBuffer(),
  async *predictEach(images) {
    const input = new Float32Array(images.length * 3 * area);
    images.forEach((image, k) => {
      for (let at = 0; at < area; at++) {
        for (let channel = 0; channel < 3; channel++) input[(3 * k + channel) * area + at] = image[3 * at + channel] / 255;
      }
    });
    const { logits } = await session.run({ images: new Tensor('float32', input, [images.length, 3, size, size]) });
    const classes = logits.dims[1];
    for (let k = 0; k < images.length; k++) {
      const row = logits.data.subarray(k * classes, (k + 1) * classes);
      const index = row.indexOf(Math.max(...row));
      const sum = row.reduce((total, value) => total + Math.exp(value - row[index]), 0);
      yield { index, probability: 1 / sum };
    }
  },
};`;
