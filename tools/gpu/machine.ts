import { cpus } from 'node:os';
import { benchDevice } from '../../src/bench/cases.js';
import { addon } from '../../src/native/addon.js';
import { nvidiaDriver } from '../../src/setup/doctor.js';
import type { Machine } from './results.js';

/** @throws L2TError where the addon or the device cannot be used. */
export function describeMachine(device: string): Machine {
  const found = benchDevice(device);
  const { compiledFor, runtime } = addon().cudaVersions();
  return {
    ...found,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    node: process.versions.node,
    libtorch: addon().info().libtorch,
    compiledFor,
    runtime,
    cudnn: found.gpu ? addon().cuda().cudnn : '',
    driver: nvidiaDriver() ?? '',
  };
}
