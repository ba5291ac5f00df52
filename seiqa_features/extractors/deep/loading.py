"""Networks of pyiqa, built from exactly the given files.

By default, pyiqa and torchvision look in the torch.hub cache, download missing files, allow a file
to run code while it is read, and keep random values for tensors missing from a file. Here pyiqa's
loader is not used, and while a network is built the torch.hub cache is a temporary folder of links
to the given files. Files are read as plain tensors only, and one that does not fit raises an error.
CLIP's file is a TorchScript archive: only its tensors are used, its code is not run.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seiqa_features.extractors.specs import Resources, Weight
from seiqa_features.locks import forkable_lock

PLAIN_TENSORS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"  # overrides the arguments of torch.load

_BUILDING = forkable_lock()  # the cache location and the variable above are process-wide


@dataclass(frozen=True)
class Network:
    """One of pyiqa's networks and its files.

    Attributes
    ----------
    metric : str
        Its name in pyiqa.
    backbone : Weight | None
        File that the network's constructor reads through torch.hub, None for none.
    checkpoint : Weight | None
        File of the metric itself, None for none.
    key : str | None
        Key of the checkpoint's tensors in its file, None for the top level.
    elsewhere : tuple[str, ...]
        Prefixes of the network's tensors that are not in the checkpoint, because they come from
        the backbone or from code, or share memory with a tensor that is.
    options : Mapping[str, object]
        Arguments of the network's constructor that override pyiqa's defaults.
    """

    metric: str
    backbone: Weight | None = None
    checkpoint: Weight | None = None
    key: str | None = None
    elsewhere: tuple[str, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def weights(self) -> tuple[Weight, ...]:
        """Its files."""
        return tuple(weight for weight in (self.backbone, self.checkpoint) if weight)

    def load(self, resources: Resources) -> Any:
        """The network on the device of `resources`, in evaluation mode.

        Raises
        ------
        Exception
            Whatever the libraries or `_fill` raise for a file that does not fit.
        """
        from pyiqa.models.inference_model import InferenceModel

        untrained = {"pretrained": False} if self.checkpoint else {}
        with only_these_files([self.backbone] if self.backbone else [], resources):
            net = InferenceModel(self.metric, device="cpu", **untrained, **self.options).net
        if self.checkpoint:
            _fill(net, resources.weights[self.checkpoint.name], self.key, self.elsewhere)
        return _on_device(net, resources.device)


def load_clip(weight: Weight, resources: Resources) -> Any:
    """pyiqa's CLIP, which accepts any picture shape, on the given device, in evaluation mode.

    Raises
    ------
    Exception
        Whatever PyTorch raises for a file that does not fit.
    """
    from pyiqa.archs.clip_model import load

    with only_these_files([], resources):
        return _on_device(load(str(resources.weights[weight.name]), "cpu"), resources.device)


def _on_device(net: Any, device: str) -> Any:
    """The network on the device, without gradients, and channels-last on a GPU.

    Some classes of pyiqa keep constants that PyTorch does not know to be part of the network, and
    send them to the GPU again for every batch; these are moved too.
    """
    import torch

    layout = torch.contiguous_format if device == "cpu" else torch.channels_last
    for module in net.modules():
        for name, value in list(vars(module).items()):
            if isinstance(value, torch.Tensor):
                setattr(module, name, value.to(device))
    return net.eval().requires_grad_(False).to(device, memory_format=layout)


def _fill(net: Any, path: Path, key: str | None, elsewhere: tuple[str, ...]) -> None:
    """Read a checkpoint into a network.

    Raises
    ------
    ValueError
        The key or a tensor is missing, or there is an extra tensor.
    RuntimeError
        A tensor has the wrong shape (PyTorch names it).
    """
    import torch
    from pyiqa.archs.arch_util import clean_state_dict

    content = torch.load(path, map_location="cpu", weights_only=True)
    if key is not None:
        if key not in content:
            raise ValueError(f"it lacks {key}")
        content = content[key]
    missing, unexpected = net.load_state_dict(clean_state_dict(content), strict=False)
    missing = [name for name in missing if not name.startswith(elsewhere)]
    if missing or unexpected:
        raise ValueError(f"it lacks {missing[0]}" if missing else f"it holds {unexpected[0]}")


@contextmanager
def only_these_files(weights: Sequence[Weight], resources: Resources) -> Iterator[None]:
    """Make libraries find these files in the torch.hub cache and read them as plain tensors."""
    import torch

    with _BUILDING, TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.load` is")  # CLIP has no other format
        for weight in weights:
            place, _, url = weight.location.partition("|")
            link = Path(folder, place, url.rsplit("/", 1)[-1])
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(resources.weights[weight.name].resolve())
        cache, plain = torch.hub.get_dir(), os.environ.get(PLAIN_TENSORS_ONLY)
        torch.hub.set_dir(folder)
        os.environ[PLAIN_TENSORS_ONLY] = "1"
        try:
            yield
        finally:
            torch.hub.set_dir(cache)
            if plain is None:
                del os.environ[PLAIN_TENSORS_ONLY]
            else:
                os.environ[PLAIN_TENSORS_ONLY] = plain
