import { type Tensor, type TensorMap, toFloat32, toTensorMap } from '../../native/tensor.js';
import { torchvisionNetworks } from '../../options/networks.js';
import { invalidOption } from '../../system/failures.js';
import type { Checkpoint } from '../checkpoint.js';

/** PyTorch's batch norm counts its updates in a scalar. Nothing reads it where the momentum is a number. */
const noUpdates: Tensor = { dtype: 'int64', shape: [], data: new Uint8Array(8) };
const variance = /running_var$/;

/**
 * The tensors that `load_state_dict(strict=True)` of torchvision's network of that name takes. Our names are
 * torchvision's; what is missing is the count of each batch norm.
 * @throws L2TError INVALID_OPTION if torchvision has no such network.
 */
export function toTorchvision({ network: { name, width }, weights }: Checkpoint): TensorMap {
  const known = torchvisionNetworks.join(', ');
  const instead = 'use {to=safetensors}, whose tensors PyTorch loads by name, or {to=onnx}';
  if (!torchvisionNetworks.includes(name)) {
    throw invalidOption(`torchvision has no ${name} (it has ${known}): ${instead}.`);
  }
  if (width !== 1) {
    throw invalidOption(
      `torchvision's ${name} has the width 1, this one has ${width} (it has ${known}, of width 1): ${instead}.`,
    );
  }
  const tensors: TensorMap = new Map();
  for (const [name, tensor] of toTensorMap(weights)) {
    tensors.set(name, toFloat32(tensor));
    if (variance.test(name)) tensors.set(name.replace(variance, 'num_batches_tracked'), noUpdates);
  }
  return tensors;
}
