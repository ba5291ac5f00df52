"""Scores with a gradient: the fitted parts of a stack in PyTorch, behind differentiable features.

Imported only when a gradient is wanted, as it imports PyTorch.
"""

from seiqa_models.gradients import predictors, transformers  # their forms are registered

__all__ = ["predictors", "transformers"]
