"""Single numbers by name: what `extract` returns and `create_metric` computes.

The name of a quantity is its published one ("gmsd", "ms_ssim") or, if it has none,
`<extractor>__<output>` ("colour__hue_shift"): the name of a feature without the view.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from seiqa_features.errors import UsageError
from seiqa_features.extractors.registry import find_metric, get_extractor
from seiqa_features.extractors.specs import ExtractorSpec, Output
from seiqa_features.table.pairing import paired_outputs


@dataclass(frozen=True)
class Quantity:
    """One number for a pair: an extractor and one of its features."""

    spec: ExtractorSpec
    output: str
    facts: Output

    @property
    def name(self) -> str:
        """Its name."""
        return self.facts.metric or f"{self.spec.name}__{self.output}"


def find_quantities(name: str, *, details: bool = False) -> list[Quantity]:
    """The quantities for a name: one for a metric, all scalars for an extractor.

    Parameters
    ----------
    name : str
        Name of a metric, of an extractor, or `<extractor>__<output>`. A name shared by a metric
        and an extractor ("ssim") means the metric.
    details : bool
        For a metric or output, also return the other scalars of its extractor, after it.

    Raises
    ------
    UsageError
        Nothing has that name.
    """
    if not isinstance(name, str):
        raise UsageError(f"{name!r}: expected the name of a metric; list_extractors() gives them")
    home = find_metric(name)
    extractor, _, output = name.rpartition("__") if home is None else ("", "", home[1])
    spec = home[0] if home else get_extractor(extractor or name).spec
    scalars = {
        quantity: Quantity(spec, quantity, facts)
        for quantity, facts in paired_outputs(spec.outputs).items()
        if not facts.dim
    }
    if home is None and not extractor:
        return list(scalars.values())
    if output not in scalars:
        near = get_close_matches(output, scalars, n=1, cutoff=0)[0]
        raise UsageError(
            f"extractor {spec.name} has no scalar output {output!r}; did you mean"
            f" {spec.name}__{near}?"
        )
    asked = scalars.pop(output)
    return [asked, *(scalars.values() if details else ())]


def find_quantity(name: str) -> Quantity:
    """The single number to which a name refers.

    Raises
    ------
    UsageError
        Nothing has that name, or it refers to several numbers.
    """
    found = find_quantities(name)
    if len(found) > 1:
        names = ", ".join(quantity.name for quantity in found)
        raise UsageError(f"{name} is an extractor of {len(found)} numbers; name one: {names}")
    return found[0]
