"""Where a class token looks: what is recorded is what the fused function uses."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from seiqa_features.extractors.vit.tokens import LastAttention


@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_what_the_fused_function_uses(masked: bool) -> None:
    generator = torch.Generator().manual_seed(11)
    query, key = torch.randn(2, 2, 3, 10, 4, generator=generator)
    mask = torch.randn(1, 3, 10, 10, generator=generator) if masked else None
    with LastAttention() as attention:
        F.scaled_dot_product_attention(key, query, query)
        # With an identity for values the function returns its own weights.
        weights = F.scaled_dot_product_attention(
            query, key, torch.eye(10).expand(2, 3, 10, 10), attn_mask=mask, scale=0.7
        )
    found = attention.of_first_token()
    torch.testing.assert_close(found, weights.mean(dim=1)[:, 0])
    torch.testing.assert_close(found.sum(dim=1), torch.ones(2))


def test_attention_that_never_ran_is_an_error() -> None:
    with LastAttention() as attention:
        torch.ones(3).sum()
    with pytest.raises(RuntimeError, match="no fused attention ran"):
        attention.of_first_token()
