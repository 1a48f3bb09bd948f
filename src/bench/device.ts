import { addon, type GpuDescription } from '../native/addon.js';

/** Where a measurement computes. */
export interface BenchDevice {
  /** cpu, or cuda:N. */
  readonly device: string;
  /** Of cuda:N. */
  readonly gpu?: GpuDescription | undefined;
}

/** @throws L2TError DEVICE_UNAVAILABLE or INVALID_OPTION, as the addon says of such a name. */
export function benchDevice(name: string): BenchDevice {
  const { device } = addon().device(name);
  const gpu = device === 'cpu' ? undefined : addon().cuda().gpus[Number(device.split(':')[1] ?? 0)];
  return { device, gpu };
}

/** `cpu`, or `NVIDIA A100 (cuda:0)`. */
export const deviceTitle = ({ device, gpu }: BenchDevice): string => (gpu ? `${gpu.name} (${device})` : device);
