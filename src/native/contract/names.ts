/** The words that both options and the addon use. native/ has the same, as enumerations. */

/** How gradients are computed: native kernels, or automatic differentiation (the oracle). */
export const engineNames = ['native', 'autograd'] as const;
export type EngineName = (typeof engineNames)[number];

/**
 * Which backend computes for the native engine. 'direct': the reference; 'winograd': the CPU's, an error elsewhere;
 * 'auto': the CPU's, or in one process CUDA's, where there is one for the device.
 */
export const convolutionNames = ['auto', 'winograd', 'direct'] as const;
export type ConvolutionName = (typeof convolutionNames)[number];

/**
 * How a GPU multiplies in convolutions and linear layers: in float32; on tensor cores, with inputs rounded to TF32; or
 * with inputs cast to bfloat16. Weights, sums, losses and steps stay float32.
 */
export const precisionNames = ['float32', 'tf32', 'bf16'] as const;
export type PrecisionName = (typeof precisionNames)[number];

/** The batch that judges φ: the steps' own, or the next one of the epoch's order (its first follows its last). */
export const metaBatches = ['same', 'other'] as const;
export type MetaBatch = (typeof metaBatches)[number];

/**
 * λ's network before the first step. 'paper': random weights and bias 1. 'equal': weights 0 and bias 1, so λ = 1 for each
 * pair and image; the meta-networks' weight decay then pulls to that start, not to 0.
 */
export const lambdaInits = ['paper', 'equal'] as const;
export type LambdaInit = (typeof lambdaInits)[number];

/**
 * How a training image is changed before each step on it. 'none': not at all. 'crop-flip': cropped at random as
 * `resizedCrops` says, and mirrored with probability 1/2.
 */
export const augmentNames = ['crop-flip', 'none'] as const;
export type AugmentName = (typeof augmentNames)[number];

/** The images of batch norm's statistics when several processes share a run: the whole batch, or each one's share. */
export const batchNormNames = ['global', 'local'] as const;
export type BatchNormName = (typeof batchNormNames)[number];
