"""A multimodal model with adapters and a regressor on top: RedpanQA's kind of network (torch).

Both pictures and the task go in; the hidden state of the last token goes to a small regressor.
Adapters are LoRA on every linear layer of the language model, the vision tower and the aligner
(peft); everything else stays as it was.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seiqa_features.errors import WeightsError
from seiqa_features.extractors.multimodal.reading import Pixels, Reader, user_turn

TASK = (
    "The first picture is a reference, the second a degraded version of it. How much of the"
    " meaning of the reference does the degraded version keep: main objects, people, text, actions"
    " and relations? Rate it from 0 (nothing) to 5 (all of it). Rating:"
)

HEAD_WIDTH = 512
ADAPTER = ("adapter_model.safetensors", "adapter_config.json")
HEAD = "head.safetensors"
FILES = (*ADAPTER, HEAD)
"""The files of one member."""


class PairRegressor(nn.Module):
    """From a pair of pictures to one number, whose level and scale are arbitrary.

    Parameters
    ----------
    reader : Reader
        The model, which gets the adapters.
    rank, alpha : int
        Of LoRA; its output is scaled by alpha / rank.
    seed : int
        Seed of the regressor's and the adapters' initial weights.
    """

    def __init__(self, reader: Reader, *, rank: int, alpha: int, seed: int) -> None:
        from peft import LoraConfig, get_peft_model

        super().__init__()
        self.reader = reader
        base = reader.network.model
        config = LoraConfig(
            r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=linear_layers(base)
        )
        device = next(base.parameters()).device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            with _quiet():
                self.network = get_peft_model(base, config)
            width = base.config.text_config.hidden_size
            self.head = _head(width).to(device)

    def forward(self, ref: Pixels, dist: Pixels) -> torch.Tensor:
        """The number of one pair, float32 [1]."""
        inputs, _ = self.reader.inputs(ref, dist, [user_turn(TASK)])
        state = self.network(**inputs, use_cache=False).last_hidden_state[0, -1]
        with torch.autocast(state.device.type, enabled=False):
            number: torch.Tensor = self.head(state.float())
        return number

    def trained(self) -> list[nn.Parameter]:
        """Parameters that are trained: the adapters' and the regressor's."""
        return [parameter for _, parameter in self.named_trained()]

    def named_trained(self) -> list[tuple[str, nn.Parameter]]:
        """As `trained`, with names."""
        return [(name, p) for name, p in self.named_parameters() if p.requires_grad]

    def save_memory(self) -> None:
        """Keep only the layers' borders for the way back; takes effect in training mode."""
        with _quiet():
            self.reader.network.gradient_checkpointing_enable(
                gradient_checkpointing_kwargs={"use_reentrant": False}
            )

    def save(self, folder: Path) -> None:
        """Write `FILES` into a folder; safetensors only."""
        from safetensors.torch import save_file

        with _quiet():
            self.network.save_pretrained(str(folder), safe_serialization=True)
        save_file({k: v.cpu().contiguous() for k, v in self.head.state_dict().items()},
                  folder / HEAD)  # fmt: skip


class Ensemble:
    """Members of one ensemble: one base model, and for each member its adapters and regressor.

    Parameters
    ----------
    reader : Reader
        The base model.
    folders : Sequence[Path]
        One folder of `FILES` per member.

    Raises
    ------
    WeightsError
        A member cannot be read, or does not fit the base model.
    """

    def __init__(self, reader: Reader, folders: Sequence[Path]) -> None:
        from peft import PeftModel
        from safetensors.torch import load_file

        self._reader = reader
        base = reader.network.model
        device = next(base.parameters()).device
        self._heads = []
        network: Any = None
        for number, folder in enumerate(folders):
            name = f"member{number}"
            try:
                with _quiet():
                    if network is None:
                        network = PeftModel.from_pretrained(base, folder, adapter_name=name)
                    else:
                        network.load_adapter(folder, adapter_name=name)
                head = _head(base.config.text_config.hidden_size)
                head.load_state_dict(load_file(folder / HEAD))
            except Exception as error:
                reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
                raise WeightsError(
                    f"{folder}: not usable as adapters of {base.config.model_type} ({reason});"
                    " fine-tune again, or restore its files"
                ) from error
            self._heads.append(head.to(device).eval())
        self._network = network.eval().requires_grad_(False)

    def __call__(self, member: int, ref: Pixels, dist: Pixels) -> torch.Tensor:
        """A member's number for one pair, float32 [1]."""
        self._network.set_adapter(f"member{member}")
        inputs, _ = self._reader.inputs(ref, dist, [user_turn(TASK)])
        state = self._network(**inputs, use_cache=False).last_hidden_state[0, -1]
        with torch.autocast(state.device.type, enabled=False):
            number: torch.Tensor = self._heads[member](state.float())
        return number


def linear_layers(network: nn.Module) -> list[str]:
    """Names of all linear layers: language model, vision tower and aligner."""
    return [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]


def _head(width: int) -> nn.Sequential:
    """The regressor on the last token's hidden state."""
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, HEAD_WIDTH), nn.SiLU(), nn.Linear(HEAD_WIDTH, 1)
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without peft's use of names that transformers has deprecated, and its remarks about hubs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
