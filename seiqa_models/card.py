"""The model card: what a bundle was trained on, how good it is, and what it is not for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seiqa_models.results import Figures, Summary, Transfer

LABEL_KINDS = ("MOS", "pseudo-label")
"""Human mean opinion scores, or labels that a program made up."""

_SECTIONS = ("data", "evaluation", "features", "limits", "reproduce")


def render_card(card: Mapping[str, Any]) -> str:
    """The card as Markdown.

    Parameters
    ----------
    card : mapping
        ``name`` (optional title), ``label_kind`` ("MOS" or "pseudo-label"), and any of the
        sections ``data``, ``evaluation`` (`Evaluation.to_dict`, of which the honest
        figures, the gap and the baselines are shown), ``features``, ``limits``, ``reproduce``:
        text, a list of points, or a mapping.

    Raises
    ------
    ValueError
        ``label_kind`` is missing or unknown, or there is a section of another name.
    """
    check_card(card)
    parts = [f"# {card.get('name', 'SeIQA stack')}", _label_sentence(card["label_kind"])]
    for section in _SECTIONS:
        if section in card:
            content = card[section]
            body = _evaluation(content) if section == "evaluation" else _plain(content)
            parts.append(f"## {section.capitalize()}\n\n{body}")
    return "\n\n".join(parts) + "\n"


def check_card(card: Mapping[str, Any]) -> None:
    """Refuse a card that does not say whose opinion the labels are, or with unknown sections.

    Raises
    ------
    ValueError
        As `render_card`; or the name is no text.
    """
    kind = card.get("label_kind")
    if kind not in LABEL_KINDS:
        raise ValueError(f"card: label_kind is {kind!r}, expected one of {LABEL_KINDS}")
    unknown = set(card) - {"name", "label_kind", *_SECTIONS}
    if unknown:
        raise ValueError(f"card: unknown keys {sorted(unknown)}, expected {_SECTIONS}")
    if not isinstance(card.get("name", ""), str):
        raise ValueError(f"card: name is {card['name']!r}, expected text")


def _label_sentence(kind: str) -> str:
    if kind == "MOS":
        return "Label: MOS, mean opinion scores given by people."
    return (
        "Label: **pseudo-labels** made up by a program. The figures below say how well the "
        "program's rule is imitated, and nothing about people."
    )


def _plain(content: Any) -> str:
    if isinstance(content, Mapping):
        return "\n".join(f"- {key}: {value}" for key, value in content.items())
    if isinstance(content, list | tuple):
        return "\n".join(f"- {point}" for point in content)
    return str(content)


def _evaluation(content: Mapping[str, Any]) -> str:
    """Honest figures first; the naive claim only as the gap."""
    figures = Figures.model_validate(content)
    rows = {"this stack": figures.honest, **figures.learners}
    rows["best single feature"] = figures.best_single
    if figures.index_only is not None:
        rows["file order only, no image"] = figures.index_only
    parts = [
        f"Held out: {figures.splitter}, {figures.n} pairs, {figures.groups} groups. "
        "Interval: 95 % bootstrap over groups. final = 0.6·SROCC + 0.4·PLCC.",
        _table(rows),
        f"Fusing and scoring on the same predictions would claim {figures.gap:+.4f}.",
    ]
    if figures.transfer is not None:
        parts += _transfer(figures.transfer)
    return "\n\n".join(parts)


def _transfer(transfer: Transfer) -> list[str]:
    """What is left when the kind of distortion is new, too."""
    rows = {
        "this stack": transfer,
        "best single feature": transfer.best_single,
        "this stack, kind seen": transfer.by_group,
    }
    kinds = ", ".join(
        f"{name}: {of_kind.srocc:.4f} ({of_kind.n} pairs)"
        for name, of_kind in transfer.kinds.items()
    )
    return [
        "Held out: one kind of distortion and the references of one fold at a time, "
        f"{transfer.n} pairs in {transfer.fits} fits. The last row is the estimate above on "
        "the same pairs.",
        _table(rows),
        f"SROCC within each kind held out. {kinds}.",
    ]


def _table(rows: Mapping[str, Summary]) -> str:
    lines = [
        "| predictor | SROCC | PLCC | KROCC | RMSE | final | interval |",
        "|---|---|---|---|---|---|---|",
        *(_row(name, summary) for name, summary in rows.items()),
    ]
    return "\n".join(lines)


def _row(name: str, summary: Summary) -> str:
    low, high = summary.interval
    values = (summary.srocc, summary.plcc, summary.krocc, summary.rmse, summary.final)
    cells = " | ".join(f"{value:.4f}" for value in values)
    return f"| {name} | {cells} | {low:.3f} to {high:.3f} |"
