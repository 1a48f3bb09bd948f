import type * as z from 'zod';
import { above, between } from './row.js';

/** A term that a method adds to the cross-entropy. native/terms/ has its formula. */
export interface Term {
  /**
   * Inputs of the term: the sources' features, in pairs; the outputs of the first source, whatever its classes; its
   * outputs for the data's classes; or --target-init.
   */
  readonly reads: 'pairs' | 'outputs' | 'classes' | 'start';
  /** Its name in reports. */
  readonly title: string;
  /** Its settings, under the names by which the native term takes them. */
  readonly settings: Readonly<Record<string, z.ZodNumber>>;
}

/** The terms. A method adds some of them (methods.ts). */
export const terms = {
  matching: {
    reads: 'pairs',
    title: 'Matching loss',
    settings: { beta: between(0, 1e6, 'weight of the matching loss', { default: 0.5, paper: 0.5 }) },
  },
  attention: {
    reads: 'pairs',
    title: 'Attention loss',
    settings: { attentionWeight: between(0, 1e9, 'weight of the attention loss', { default: 1000, paper: 1000 }) },
  },
  distillation: {
    reads: 'outputs',
    title: 'Distillation loss',
    settings: {
      distillationWeight: between(0, 1e6, 'weight of the distillation loss of lwf', { default: 1, paper: 1 }),
      temperature: above(0, 1000, "temperature of the softmax in lwf's distillation loss", { default: 2, paper: 2 }),
    },
  },
  kd: {
    reads: 'classes',
    title: 'Loss of knowledge distillation',
    settings: {
      kdWeight: between(0, 1e6, 'weight of the distillation loss of kd', { default: 1 }),
      kdTemperature: above(0, 1000, "temperature of the softmax in kd's distillation loss", { default: 4 }),
    },
  },
  'l2-sp': {
    reads: 'start',
    title: 'Distance to the weights it starts from',
    settings: {
      l2SpAlpha: between(0, 1e6, 'weight of the distance to {targetInit} in l2-sp', { default: 0.1 }),
      l2SpBeta: between(0, 1e6, 'weight decay of the new last layer in l2-sp', { default: 0.01 }),
    },
  },
  sp: {
    reads: 'pairs',
    title: 'Loss of similarity preservation',
    settings: { spWeight: between(0, 1e9, 'weight of the loss of sp', { default: 3000 }) },
  },
  vid: {
    reads: 'pairs',
    title: 'Loss of variational information distillation',
    settings: {
      vidWeight: between(0, 1e6, 'weight of the loss of vid', { default: 1 }),
      vidVariance: between(0.001, 1e6, 'the variance of vid with which a run starts', { default: 5 }),
    },
  },
} as const satisfies Readonly<Record<string, Term>>;
export type TermName = keyof typeof terms;
