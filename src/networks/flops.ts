import type { NetworkDescription, OperationDescription } from '../native/addon.js';

/**
 * Operations of a forward sweep of one image: the products of convolutions and linear layers, done directly; a
 * multiplication and an addition count as two.
 */
export function forwardFlops({ operations, parameters, sides }: NetworkDescription): number {
  const shapes = new Map(parameters.map(({ name, shape }) => [name, shape]));
  return operations.reduce((sum, operation, i) => {
    const weight = shapes.get(weightOf(operation)) ?? [0];
    const products = weight.reduce((product, side) => product * side, 1);
    return sum + 2 * products * (sides[i + 1] as number) ** 2;
  }, 0);
}

/** The name of a convolution's or a linear layer's weight; any other operation multiplies nothing that counts. */
const weightOf = ({ kind, tensors }: OperationDescription): string =>
  ['conv2d', 'linear'].includes(kind) ? (tensors.weight as string) : '';
