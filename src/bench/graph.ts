import type { EngineName } from '../native/addon.js';

/** Does training run an iteration as one CUDA graph? The autograd engine is never captured. */
export const runsAsGraph = (engine: EngineName, device: string): boolean => engine === 'native' && device !== 'cpu';

/** The iterations that warm up before a graph is captured: what CUDA graphs ask for. */
export const iterationsBeforeGraph = 3;
