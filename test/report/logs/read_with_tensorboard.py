"""Prints, as JSON, what TensorBoard's own reader finds in a run folder."""

import json
import sys

from tensorboard.backend.event_processing import event_accumulator

guidance = {event_accumulator.SCALARS: 0, event_accumulator.TENSORS: 0}
events = event_accumulator.EventAccumulator(sys.argv[1], size_guidance=guidance)
events.Reload()


def maps(tag):
    """Step → width, height and the PNG's own width and height."""
    found = {}
    for event in events.Tensors(tag):
        width, height, png = event.tensor_proto.string_val
        sides = [int.from_bytes(png[at : at + 4], "big") for at in (16, 20)]
        found[event.step] = [int(width), int(height), *sides]
    return found


print(
    json.dumps(
        {
            "scalars": {
                tag: {event.step: event.value for event in events.Scalars(tag)}
                for tag in events.Tags()["scalars"]
            },
            "images": {
                tag: maps(tag) for tag in events.PluginTagToContent("images")
            },
        }
    )
)
