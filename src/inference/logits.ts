/** ln softmax, in float64; its negative is the cross-entropy for each class, nats. */
export function logSoftmax(logits: Float32Array): Float64Array {
  const largest = logits[argmax(logits)] as number;
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  return Float64Array.from(logits, (logit) => logit - largest - Math.log(sum));
}

/** The class with the largest logit; the first one if several are equal. */
export function argmax(logits: Float32Array): number {
  let best = 0;
  for (let k = 1; k < logits.length; k++) if ((logits[k] as number) > (logits[best] as number)) best = k;
  return best;
}

/** All classes, sorted by logit, the largest first; equal logits by index. */
export function ranked(logits: Float32Array): number[] {
  return [...logits.keys()].sort((a, b) => (logits[b] as number) - (logits[a] as number));
}
