"""A multimodal model that reads pairs: loading it, and the tokens of pictures and text (torch)."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seiqa_features.extractors.multimodal.models import Model, in_one_folder, require_class

if TYPE_CHECKING:
    import torch

Pixels = NDArray[np.uint8]
"""uint8 [3, H, W]."""

MOST_TOKENS = 1024
"""Most tokens of one picture; a larger one is scaled down, so that memory has a limit."""

_FEWEST_TOKENS = 64
_PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"


def user_turn(text: str) -> str:
    """A user's turn of Qwen's format, two pictures before the text, and the model's to begin."""
    return f"<|im_start|>user\n{_PICTURE}{_PICTURE}{text}<|im_end|>\n<|im_start|>assistant\n"


@dataclass(frozen=True)
class Reader:
    """A loaded model and its processor."""

    network: Any
    processor: Any

    def inputs(
        self, first: Pixels, second: Pixels, parts: Sequence[str]
    ) -> tuple[dict[str, torch.Tensor], list[int]]:
        """What the network gets for one pair, and the position of the last token of each part.

        Parameters
        ----------
        first, second : Pixels
            The pictures in the order in which they are shown.
        parts : Sequence[str]
            Parts of the text; the first is a `user_turn`. Each is tokenised by itself, so that its
            last token is known.
        """
        import torch

        side = self.processor.image_processor.patch_size * self.processor.image_processor.merge_size
        limits = {
            "shortest_edge": _FEWEST_TOKENS * side**2,
            "longest_edge": MOST_TOKENS * side**2,
        }
        pictures = [torch.from_numpy(np.ascontiguousarray(each)) for each in (first, second)]
        given = self.processor(
            text=[parts[0]], images=pictures, return_tensors="pt", images_kwargs={"size": limits}
        )
        places = [given["input_ids"].shape[1] - 1]
        more: list[int] = []
        for part in parts[1:]:
            more += self.processor.tokenizer(part, add_special_tokens=False)["input_ids"]
            places.append(given["input_ids"].shape[1] + len(more) - 1)
        tail = torch.tensor([more], dtype=torch.int64)
        added = {
            "input_ids": tail,
            "attention_mask": torch.ones_like(tail),
            "mm_token_type_ids": torch.zeros_like(tail),
        }
        device = next(self.network.parameters()).device
        whole = {
            name: torch.cat([values, added[name].to(values.dtype)], dim=1)
            if name in added
            else values
            for name, values in given.items()
        }
        return {name: values.to(device) for name, values in whole.items()}, places


def load(
    model: Model, files: Mapping[str, Path], device: str, dtype: str, four_bit: bool = False
) -> Reader:
    """The model with the weights from the files, in evaluation mode, without gradients.

    Parameters
    ----------
    model : Model
    files : Mapping[str, Path]
        Verified files by `Weight.name`.
    device, dtype : str
        PyTorch's names.
    four_bit : bool
        Whether the weights of the linear layers are kept in 4 bits (NF4 by bitsandbytes, on a GPU).

    Raises
    ------
    WeightsError
        transformers lacks the class.
    ValueError
        A tensor is missing in the files, or has another shape.
    Exception
        Whatever the libraries raise for a damaged file.
    """
    import torch

    library: Any = importlib.import_module("transformers")  # only partly typed
    options: dict[str, Any] = {}
    if four_bit:
        options["quantization_config"] = library.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=getattr(torch, dtype),
        )
        options["device_map"] = {"": device}
    library.utils.logging.disable_progress_bar()
    with in_one_folder(model, files) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about defaults of the libraries that do not matter here
        network, told = require_class().from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
        processor = library.AutoProcessor.from_pretrained(folder, local_files_only=True)
    if wrong := [*told["missing_keys"], *told["mismatched_keys"]]:
        raise ValueError(f"it lacks {sorted(map(str, wrong))[0]}, or has it in another shape")
    if not four_bit:
        network = network.to(device)
    return Reader(network.eval().requires_grad_(False), processor)
