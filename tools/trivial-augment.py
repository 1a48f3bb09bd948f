"""Writes test/fixtures/trivial-augment: an image, and what torchvision's TrivialAugmentWide makes of it.

  /usr/bin/python3 tools/trivial-augment.py

cases.json lists, for each result, the operation, its strength's place in the range (0 to 30) and whether the sign is
the other one. images.bin holds the image and then the results: 32 x 32 x 3 bytes each.
"""

import json
import os

import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.autoaugment import TrivialAugmentWide, _apply_op

SIZE, BINS = 32, 31


def image():
    """Smooth colours and noise; the three channels have different ranges."""
    noise = torch.rand(3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    y, x = torch.meshgrid(torch.linspace(0, 1, SIZE), torch.linspace(0, 1, SIZE), indexing="ij")
    smooth = torch.stack([x, y * y, 0.5 + 0.5 * torch.sin(7 * x * y)])
    low, high = torch.tensor([20.0, 0.0, 60.0]), torch.tensor([230.0, 255.0, 180.0])
    mixed = 0.7 * smooth + 0.3 * noise
    return (low.view(3, 1, 1) + (high - low).view(3, 1, 1) * mixed).round().to(torch.uint8)


def cases():
    for operation, (magnitudes, signed) in TrivialAugmentWide()._augmentation_space(BINS).items():
        if magnitudes.ndim == 0:
            yield operation, 0, False, 0.0
        elif signed:
            for k, negative in [(7, False), (10, True), (20, False), (30, True)]:
                magnitude = float(magnitudes[k].item())
                yield operation, k, negative, -magnitude if negative else magnitude
        else:
            for k in [4, 13, 22, 30]:
                yield operation, k, False, float(magnitudes[k].item())


folder = os.path.join(os.path.dirname(__file__), "../test/fixtures/trivial-augment")
original = image()
results, listed = [original], []
for operation, strength, negative, magnitude in cases():
    results.append(_apply_op(original, operation, magnitude, InterpolationMode.NEAREST, None))
    listed.append({"operation": operation, "bin": strength, "negative": negative})
with open(os.path.join(folder, "cases.json"), "w") as file:
    file.write("[\n" + ",\n".join("  " + json.dumps(case) for case in listed) + "\n]\n")
with open(os.path.join(folder, "images.bin"), "wb") as file:
    for result in results:
        file.write(result.permute(1, 2, 0).contiguous().numpy().tobytes())
