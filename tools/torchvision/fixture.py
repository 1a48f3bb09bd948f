#!/usr/bin/env python3
"""Writes test/fixtures/torchvision.json: what torchvision's networks give for one image.

    python3 tools/torchvision/fixture.py > test/fixtures/torchvision.json

Weights and image come from the formula of tools/torchvision/pattern.ts, which test/networks/torchvision.test.ts follows,
too, so the file holds no weights: only the logits, and of each feature map its norm and its product with the pattern.
Needs Debian's python3-torchvision.
"""

import json
import sys

import numpy as np
import torch
import torchvision

CLASSES = 7
SIZE = 96  # VGG's last maps have 3 × 3 places: the bins of its pool to 7 × 7 overlap
PERIOD = 65521
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def pattern(name: str, count: int) -> np.ndarray:
    """`count` values in [−1, 1), float64: PERIOD numbers over and over, from a place that `name` decides."""
    seed = 2166136261
    for byte in name.encode():
        seed = ((seed ^ byte) * 16777619) % 2**32
    i = np.arange(PERIOD, dtype=np.uint64) + np.uint64(seed)
    h = i * np.uint64(2654435761) % np.uint64(2**32)
    h = (h ^ (h >> np.uint64(15))) * np.uint64(2246822519) % np.uint64(2**32)
    h = h ^ (h >> np.uint64(13))
    return np.resize(h.astype(np.float64) / 2**31 - 1, count)


def weights(name: str, shape: torch.Size) -> np.ndarray:
    values = pattern(name, int(np.prod(shape)))
    if name.endswith("running_var"):
        values = 1 + values / 2
    elif len(shape) > 1:
        values = values * np.sqrt(3 / np.prod(shape[1:]))  # a variance of 1 / fan-in
    elif name.endswith("weight"):
        values = 1 + values / 4
    else:
        values = values / 4
    return values.astype(np.float32).reshape(shape)


def feature_modules(name: str, network: torch.nn.Module) -> list[torch.nn.Module]:
    """Modules whose outputs are the features."""
    if isinstance(network, torchvision.models.ResNet):
        return [network.relu, network.layer1, network.layer2, network.layer3, network.layer4]
    layers = list(network.features)
    if name == "mobilenet_v2":
        return [layers[i] for i in (1, 3, 6, 13, 18)]
    return [layers[i - 1] for i, layer in enumerate(layers) if isinstance(layer, torch.nn.MaxPool2d)]


def measure(name: str) -> dict:
    network = torchvision.models.get_model(name, num_classes=CLASSES)
    state = {
        key: torch.from_numpy(weights(key, value.shape))
        for key, value in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    network.load_state_dict(state, strict=False)
    network.double().eval()
    pixels = np.floor((pattern("image", SIZE * SIZE * 3) + 1) * 128).reshape(SIZE, SIZE, 3) / 255
    x = torch.from_numpy((pixels - MEAN) / STD).permute(2, 0, 1)[None]
    features = []

    def keep(_module, _input, output):
        values = output.detach().numpy().ravel()
        features.append([float(np.linalg.norm(values)), float(values @ pattern("probe", values.size))])

    for module in feature_modules(name, network):
        module.register_forward_hook(keep)
    with torch.no_grad():
        logits = network(x)[0].tolist()
    shapes = {key: list(value.shape) for key, value in state.items()}
    return {"tensors": len(shapes), "parameters": sum(p.numel() for p in network.parameters()), "logits": logits, "features": features}


if __name__ == "__main__":
    resnets = ["resnet18", "resnet34", "resnet50", "resnet101", "wide_resnet50_2", "resnext50_32x4d"]
    names = [*resnets, "vgg11_bn", "vgg16_bn", "mobilenet_v2"]
    fixture = {"classes": CLASSES, "size": SIZE, "torchvision": torchvision.__version__}
    fixture["networks"] = {name: measure(name) for name in names}
    json.dump(fixture, sys.stdout, indent=1)
    print()
