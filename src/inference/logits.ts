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

/** How many classes are likelier than this one; of equal ones the first come first, as in `argmax`. */
export function rankOf(logits: Float32Array, label: number): number {
  const itsLogit = logits[label] as number;
  return logits.reduce(
    (rank, logit, k) => (logit > itsLogit || (logit === itsLogit && k < label) ? rank + 1 : rank),
    0,
  );
}

/** All classes, sorted by logit, the largest first; equal logits by index. */
export function ranked(logits: Float32Array): number[] {
  return [...logits.keys()].sort((a, b) => (logits[b] as number) - (logits[a] as number));
}
