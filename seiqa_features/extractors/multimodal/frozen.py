"""A multimodal model as a frozen extractor: its view of a pair, without generating any text.

The model is shown both pictures and a few questions, each followed by "Answer:". One forward pass
gives, for every question, the log-odds that the next token is yes, and after the last question the
hidden states of the last token at the middle layer and the last one (after the final norm), which
are dense blocks. Each question is read with the ones before it in view. Where the order of the
pictures should not matter, the log-odds are the mean of both orders, which takes a second pass.

At most 1024 tokens represent a picture; one that would need more is scaled down. Weights are
loaded in float32, which is exact, since they are published in bfloat16.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from seiqa_features.extractors.multimodal.models import (
    PREFIX,
    PRESETS,
    Model,
    model_of,
    require_memory,
)
from seiqa_features.extractors.multimodal.questions import NO, QUESTIONS, TASK, YES
from seiqa_features.extractors.registry import register, resolver
from seiqa_features.extractors.specs import Extract, Extractor, ExtractorSpec, Output, Resources

if TYPE_CHECKING:
    import torch

    from seiqa_features.extractors.multimodal.reading import Pixels, Reader

TOKENS = 900
"""Of one pass with pictures of 512×384 pixels, which `cost` refers to."""

WORKING_GIGABYTES = 1.5
"""What is reserved on a GPU beside the weights, for CUDA and for one pair."""

SECONDS_PER_BILLION = 0.02
"""Per token and 10⁹ parameters on one CPU core, 2 operations each at 10¹¹ per second."""


def extractor(model: Model) -> Extractor:
    """The extractor of a model."""
    spec = ExtractorSpec(
        name=model.name,
        version=1,
        outputs={
            "hidden_middle": Output(dim=model.width),
            "hidden_last": Output(dim=model.width),
            **{
                f"yes_{question.name}": Output(
                    symmetric=not question.ordered, better="higher" if question.kept else "lower"
                )
                for question in QUESTIONS
            },
        },
        colour="RGB, normalised by the model's own processor",
        libraries=("torch", "transformers"),
        licence="Apache-2.0 (transformers)",
        source=model.source,
        cost=round(2 * TOKENS * model.billions * SECONDS_PER_BILLION, 3),
        weights=model.files,
    )
    return Extractor(spec, lambda resources: build(model, resources))


for _model in PRESETS.values():
    register(extractor(_model))


@resolver(PREFIX)
@cache
def of_folder(name: str) -> Extractor:
    """The extractor of a model in a folder; see `model_of`."""
    return extractor(model_of(name))


def build(model: Model, resources: Resources) -> Extract:
    """The extractor function.

    Raises
    ------
    DeviceError
        The GPU has too little free memory.
    """
    import torch

    from seiqa_features.extractors.multimodal.reading import load

    if resources.device != "cpu":
        gigabytes = 4 * model.billions + WORKING_GIGABYTES
        require_memory(model.name, model, resources.device, gigabytes)
    reader = load(model, resources.weights, resources.device, "float32")
    yes, no = (_token_ids(reader, words) for words in (YES, NO))

    def pictures(images: torch.Tensor) -> list[Pixels]:
        pixels: list[Pixels] = list((images * 255).round().byte().cpu().numpy())
        return pixels

    def extract(
        *, ref: torch.Tensor, dist: torch.Tensor, ref_index: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        refs, dists = pictures(ref), pictures(dist)
        # One pair at a time, so that no value depends on the length of another pair's text.
        rows = [
            _of_pair(reader, model, refs[r], dists[i], yes, no)
            for i, r in enumerate(ref_index.tolist())
        ]
        return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}

    return extract


def _of_pair(
    reader: Reader, model: Model, ref: Pixels, dist: Pixels, yes: list[int], no: list[int]
) -> dict[str, torch.Tensor]:
    """The outputs of one pair."""
    odds, states = _read(reader, ref, dist, yes, no)
    swapped, _ = _read(reader, dist, ref, yes, no)
    values = {
        f"yes_{question.name}": odds[i] if question.ordered else (odds[i] + swapped[i]) / 2
        for i, question in enumerate(QUESTIONS)
    }
    middle, last = states[model.layers // 2], states[-1]
    return {**values, "hidden_middle": middle, "hidden_last": last}


def _read(
    reader: Reader, first: Pixels, second: Pixels, yes: list[int], no: list[int]
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Log-odds of yes, float64 [questions], and the last token's hidden state of each layer."""
    from seiqa_features.extractors.multimodal.reading import user_turn

    parts = [user_turn(TASK), *(f"{question.text} Answer:" for question in QUESTIONS)]
    parts[2:] = [f"\n{part}" for part in parts[2:]]
    inputs, places = reader.inputs(first, second, parts)
    seen = reader.network.model(**inputs, output_hidden_states=True, use_cache=False)
    logits = reader.network.lm_head(seen.last_hidden_state[0, places[1:]]).double()
    odds = logits[:, yes].logsumexp(dim=1) - logits[:, no].logsumexp(dim=1)
    return odds, [layer[0, -1].float() for layer in seen.hidden_states]


def _token_ids(reader: Reader, words: tuple[str, ...]) -> list[int]:
    """The first token of each word."""
    tokenizer = reader.processor.tokenizer
    return sorted({tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in words})
