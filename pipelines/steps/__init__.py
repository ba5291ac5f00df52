"""The steps of a run: features → train → submit → report. Each is a function of the settings.

A step reads the results of the one before it from the run folder and writes its own results there,
all of them together or, if it is killed, none. Apart from the shared feature store and the ledger,
nothing outside the run folder changes.
"""

from pipelines.steps.extracting import Features, features
from pipelines.steps.finetuning import finetune
from pipelines.steps.results import report, score_test, submit
from pipelines.steps.training import train

__all__ = ["Features", "features", "finetune", "report", "score_test", "submit", "train"]
