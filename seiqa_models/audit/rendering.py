"""An audit as plain text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def render(found: Mapping[str, Any]) -> str:
    """The audit as plain text, one finding per line, the verdict last."""
    n, labels, probe = found["n"], found["labels"], found["index_only"]
    splits = ", ".join(f"{n[split]} {split}" for split in ("train", "val", "test"))
    lines = [
        f"{n['pairs']} pairs ({splits}), {n['labelled']} labelled for training in "
        f"{n['groups']} groups"
    ]
    if labels is not None:
        bins = (f"{_bin(item)}: {item['n']}" for item in labels["histogram"])
        lines += [
            f"labels  {', '.join(bins)}",
            f"label autocorrelation from one file to the next  {labels['autocorrelation']:.2f}",
            f"SROCC of file number alone  {_figures(probe)}",
        ]
    if found["group_only"] is not None:
        lines.append(f"SROCC of the group alone  shuffled {found['group_only']:.2f}")
    if found["features"] is not None:
        lines.append(f"SROCC of a quick forest on the features  {_figures(found['features'])}")
    if found["duplicates"]["near"] is None:
        lines.append("near-duplicates  not looked for: no image hashes")
    verdict = found["verdict"]
    lines += [f"warning: {warning}" for warning in verdict["warnings"]]
    lines += [f"verdict: splits by {verdict['splits']}"]
    return "\n".join([*lines, *(f"  {reason}" for reason in verdict["reasons"])])


def _bin(item: Mapping[str, float]) -> str:
    same = item["from"] == item["to"]
    return f"{item['from']:g}" if same else f"{item['from']:.3g} to {item['to']:.3g}"


def _figures(by_split: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in by_split.items())
