#!/usr/bin/env python3
"""Writes test/fixtures/parity/kd.json and kd.safetensors: an iteration of the method kd in plain arithmetic, float64.

    python3 tools/parity/kd.py

Forward and backward passes are written out with NumPy: there is no automatic differentiation. Images, labels and
weights come from the formulas of tools/parity/inputs.ts. The source has the classes of the data in another order.
"""

import json
import math
import struct
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parents[2] / "test/fixtures/parity"
CLASSES, BATCH, SIZE, SEED = 10, 4, 32, 31
ORDER = [3, 8, 0, 5, 9, 1, 7, 2, 6, 4]  # for each class of the data, the output of the source
WEIGHT, TAU = 1, 4  # the defaults of --kd-weight and --kd-temperature
LR, MOMENTUM, DECAY = 0.1, 0.9, 1e-4
EPSILON, RUNNING = 1e-5, 0.1

M64 = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def fnv1a(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & M64
    return value


def uniform(seed, name, shape):
    """Values in [−1, 1)."""
    base = np.uint64((fnv1a(name) + seed * GOLDEN) & M64)
    z = base + np.arange(1, math.prod(shape) + 1, dtype=np.uint64) * np.uint64(GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return ((z >> np.uint64(11)) * 2.0**-52 - 1).reshape(shape)


def tensor(name, *shape):
    u = uniform(SEED, name, shape)
    if name.endswith("running_mean"):
        return 0.1 * u
    if name.endswith("running_var"):
        return 1 + 0.5 * u
    if name.endswith(".bias"):
        return 0.1 * u
    if len(shape) == 1:
        return 0.25 + 0.05 * u if name.endswith("bn2.weight") else 1 + 0.2 * u
    return u * math.sqrt((6 if len(shape) == 4 else 3) / math.prod(shape[1:]))


def windows(x, side, stride=1):
    """B × C × H × W → B × C × H' × W' × side × side, padded so that a stride of 1 keeps the size."""
    padding = side // 2
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    return np.lib.stride_tricks.sliding_window_view(padded, (side, side), (2, 3))[:, :, ::stride, ::stride]


def conv(x, w, stride=1):
    return np.tensordot(windows(x, w.shape[2], stride), w, ([1, 4, 5], [1, 2, 3])).transpose(0, 3, 1, 2)


def wide(channels):
    return channels[:, None, None]


def source(x):
    """ResNet-20 as it infers: its features and its logits."""

    def norm(x, name):
        scale, shift, mean, var = (
            wide(tensor(f"source.{name}.{part}", x.shape[1])) for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(var + EPSILON) * scale + shift

    def convolved(x, name, out, side=3, stride=1):
        return conv(x, tensor(f"source.{name}.weight", out, x.shape[1], side, side), stride)

    def block(x, name, out, stride):
        y = np.maximum(norm(convolved(x, f"{name}.conv1", out, 3, stride), f"{name}.bn1"), 0)
        y = norm(convolved(y, f"{name}.conv2", out), f"{name}.bn2")
        if stride > 1:
            x = norm(convolved(x, f"{name}.downsample.0", out, 1, stride), f"{name}.downsample.1")
        return np.maximum(y + x, 0)

    x = np.maximum(norm(convolved(x, "conv1", 16) + wide(tensor("source.conv1.bias", 16)), "bn1"), 0)
    features = []
    for out, first, rest in (16, "block1", "blocks2"), (32, "block3", "blocks4"), (64, "block5", "blocks6"):
        for name in (first, f"{rest}.0", f"{rest}.1"):
            x = block(x, name, out, 2 if name == first and out > 16 else 1)
            features.append(x)
    return features, x.mean((2, 3)) @ tensor("source.fc.weight", CLASSES, 64).T + tensor("source.fc.bias", CLASSES)


class Target:
    """VGG-9 as it trains: convolution, batch norm and ReLU nine times, with max-pools between."""

    LAYERS = [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"]

    def __init__(self):
        self.theta, self.gradient, self.buffers, self.features, self.kept = {}, {}, {}, [], []

    def parameter(self, name, *shape):
        return self.theta.setdefault(f"target.{name}", tensor(f"target.{name}", *shape))

    def forward(self, x):
        i = 0
        for layer in self.LAYERS:
            if layer == "M":
                self.features.append(x)
                pairs = x.reshape(*x.shape[:2], x.shape[2] // 2, 2, x.shape[3] // 2, 2)
                pooled = pairs.max((3, 5), keepdims=True)
                self.kept.append((pairs == pooled, x.shape))
                x = pooled[:, :, :, 0, :, 0]
                i += 1
                continue
            x = self.unit(x, layer, f"features.{i}", f"features.{i + 1}")
            i += 3
        self.f = x.mean((2, 3))
        self.pooled = x.shape
        return self.f @ self.parameter("classifier.weight", CLASSES, 512).T + self.parameter("classifier.bias", CLASSES)

    def unit(self, x, out, convolution, norm):
        w, b = self.parameter(f"{convolution}.weight", out, x.shape[1], 3, 3), self.parameter(f"{convolution}.bias", out)
        scale, shift = self.parameter(f"{norm}.weight", out), self.parameter(f"{norm}.bias", out)
        y = conv(x, w) + wide(b)
        mean, var = y.mean((0, 2, 3)), y.var((0, 2, 3))
        count = y.size // out
        for name, value in ("running_mean", mean), ("running_var", var * count / (count - 1)):
            before = tensor(f"target.{norm}.{name}", out)
            self.buffers[f"target.{norm}.{name}"] = (1 - RUNNING) * before + RUNNING * value
        deviation = wide(np.sqrt(var + EPSILON))
        normal = (y - wide(mean)) / deviation
        z = np.maximum(normal * wide(scale) + wide(shift), 0)
        self.kept.append((convolution, norm, x, normal, deviation, z > 0))
        return z

    def backward(self, z_bar):
        bar = self.gradient
        bar["target.classifier.weight"], bar["target.classifier.bias"] = z_bar.T @ self.f, z_bar.sum(0)
        places = self.pooled[2] * self.pooled[3]
        f_bar = z_bar @ self.theta["target.classifier.weight"] / places
        x_bar = np.broadcast_to(f_bar[:, :, None, None], self.pooled)
        for layer in reversed(self.LAYERS):
            if layer == "M":
                largest, shape = self.kept.pop()
                # Equal values share the gradient only where all are 0, and ReLU lets nothing through there.
                x_bar = (largest * x_bar[:, :, :, None, :, None]).reshape(shape)
                continue
            convolution, norm, x, normal, deviation, positive = self.kept.pop()
            w, scale = self.theta[f"target.{convolution}.weight"], self.theta[f"target.{norm}.weight"]
            y_bar = x_bar * positive
            scale_bar, shift_bar = (y_bar * normal).sum((0, 2, 3)), y_bar.sum((0, 2, 3))
            bar[f"target.{norm}.weight"], bar[f"target.{norm}.bias"] = scale_bar, shift_bar
            count = y_bar.size // layer
            c_bar = wide(scale) / deviation * (y_bar - wide(shift_bar) / count - normal * wide(scale_bar) / count)
            bar[f"target.{convolution}.weight"] = np.tensordot(c_bar, windows(x, 3), ([0, 2, 3], [0, 2, 3]))
            bar[f"target.{convolution}.bias"] = c_bar.sum((0, 2, 3))
            x_bar = conv(c_bar, w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3))


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def save(tensors):
    header, data = {}, b""
    for name, values in sorted(tensors.items()):
        values = np.asarray(values, np.float64)
        begin, data = len(data), data + values.tobytes()
        header[name] = {"dtype": "F64", "shape": values.shape, "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (FOLDER / "kd.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    case = {"size": SIZE, "classes": CLASSES, "source": "resnet20", "sourceClasses": CLASSES, "sourceOrder": ORDER}
    case |= {"target": "vgg9_bn", "method": "kd", "beta": 0.5, "lr": LR, "momentum": MOMENTUM, "weightDecay": DECAY}
    (FOLDER / "kd.json").write_text(json.dumps(case | {"batch": BATCH, "seed": SEED}) + "\n")


def main():
    x = 1.7 * uniform(SEED, "x", (BATCH, 3, SIZE, SIZE))
    y = [(fnv1a(f"y{i}") + SEED) % 2**64 % CLASSES for i in range(BATCH)]
    source_features, source_logits = source(x)
    target = Target()
    logits = target.forward(x)

    p, soft = softmax(logits), softmax(logits / TAU)
    soft_source = softmax(source_logits[:, ORDER] / TAU)
    onehot = np.eye(CLASSES)[y]
    org = -np.log((p * onehot).sum(1)).mean()
    kd = WEIGHT * TAU**2 * (soft_source * np.log(soft_source / soft)).sum(1).mean()
    target.backward((p - onehot + WEIGHT * TAU * (soft - soft_source)) / BATCH)

    probed = {f"buffer/{name}": value for name, value in target.buffers.items()}
    for name, value in target.theta.items():
        v = 0.01 * uniform(SEED, f"momentum.{name}", value.shape)
        v = MOMENTUM * v + target.gradient[name] + DECAY * value
        probed |= {f"momentum/{name}": v, f"theta/{name}": value - LR * v}
    for kind, features in ("source", source_features), ("target", target.features):
        probed |= {f"{kind}_feature/{i}": feature for i, feature in enumerate(features)}
    tensors = {"loss/org": org, "loss/kd": kd, "logits/source": source_logits, "logits/target": logits}
    for name, value in probed.items():
        v = value.ravel()
        tensors[f"probe/{name}"] = [np.linalg.norm(v), *(v @ uniform(k, f"probe.{name}", v.shape) for k in (1, 2))]
    save(tensors)


if __name__ == "__main__":
    main()
