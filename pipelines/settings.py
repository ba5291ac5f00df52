"""The settings of a run, and what follows from them alone.

A configuration file names a system: which features, which learners. It is one of
`pipelines/configs/*.yaml` by name, or any YAML file by path.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from pipelines.config_files import (
    AnyPath,
    ConfigFile,
    FusionByName,
    FusionSettings,
    LocalFolder,
    config_path,
)
from seiqa_features.errors import UsageError
from seiqa_features.extraction.connecting import Cluster
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.remote.places import local_side
from seiqa_features.weights.files import DEFAULT_FOLDER, WeightFiles
from seiqa_models.finetune.recipe import Recipe
from seiqa_models.stack.parameters import MAX_SEED

DEFAULT_CONFIG = "best"
DEFAULT_CACHE = Path("runs/cache")

MAX_WORKERS = 1024  # more threads than any machine has cores must be a mistake


class Settings(BaseSettings):
    """All settings of a step; saved beside each result as settings.yaml."""

    model_config = SettingsConfigDict(env_prefix="SEIQA_", env_ignore_empty=True, extra="forbid")

    data: Annotated[AnyPath | tuple[AnyPath, ...] | None, NoDecode] = Field(
        None, description="data set folder or CSV manifest; several are collections"
    )
    dmos: tuple[str, ...] = Field(
        (), description="collections with labels that are higher for worse pictures"
    )
    scale: str | None = Field(
        None, description="scale of the scores: a collection, or 0..5 (null: of the largest)"
    )
    identity: dict[str, float] = Field(
        {}, description="label of an undistorted picture, by collection"
    )
    score_as: str | None = Field(
        None, description="score as this collection's observers (null: as all have in common)"
    )
    config: str = Field(DEFAULT_CONFIG, description="name in pipelines/configs, or a YAML file")
    run: AnyPath = Field(Path(), description="folder that gets all results of this run")
    cache: AnyPath = Field(DEFAULT_CACHE, description="feature store, shared by all runs")
    workers: int = Field(
        os.cpu_count() or 1, ge=1, le=MAX_WORKERS, description="worker threads and processes"
    )
    engine: Literal["local", "ray"] = Field(
        "local", description="extract in this process, or on a Ray cluster"
    )
    ray_address: str | None = Field(
        None, description="of the cluster, host:port or auto [a cluster of this machine alone]"
    )
    keep_going: bool = Field(False, description="leave bad pairs out instead of stopping")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:<n>, or several with commas")
    precision: Literal["auto", "float32", "mixed"] = Field(
        "auto", description="of networks: mixed is faster (auto: mixed on a GPU, float32 on a CPU)"
    )
    gpu_memory: float | None = Field(None, gt=0, description="limit on GPU memory, in GB")
    weights: LocalFolder = Field(
        DEFAULT_FOLDER, description="folder of your own weights, and of the recorded checksums"
    )
    weight_files: dict[str, Path] = Field({}, description="file to use for a weight, by its name")
    skip_unavailable: bool = Field(False, description="leave out features without their weights")
    features: dict[str, list[str]] = Field(description="extractor -> views")
    tiles: bool = Field(False, description="see large pictures in tiles, too, at their own size")
    finetune: Recipe | None = Field(
        None, description="multimodal model that `seiqa finetune` trains, as one more feature"
    )
    learners: list[str] = Field(min_length=1, description="members of the pool")
    folds: int = Field(5, ge=2, description="outer and inner folds")
    splits: Literal["auto", "group", "block"] = Field(
        "auto", description="folds by group, or by block of file order (auto: as the audit says)"
    )
    fusion: Annotated[FusionByName, NoDecode] = Field(
        FusionSettings(),
        description="how members become one score: a name, or {name: …, parameter: …}",
    )
    purpose: Literal["home", "abroad"] = Field(
        "home", description="score new scenes of this study, or pictures from anywhere"
    )
    consensus: bool = Field(
        True, description="use what the metrics agree on, most of all for unfamiliar pairs"
    )
    calibrate: bool = Field(True, description="apply a monotone curve if it raises PLCC")
    label_range: tuple[float, float] | None = Field(
        None, description="lowest and highest score there is, where the data do not say"
    )
    orders: bool = Field(
        False, description="learn from constructed pairs which pictures show nothing of a reference"
    )
    sense: bool = Field(
        True, description="try the trained model on edited photographs; say what its scores mean"
    )
    seed: int = Field(0, ge=0, le=MAX_SEED, description="of folds, learners and bootstrap")

    @field_validator("data", mode="before")
    @classmethod
    def _one_alone(cls, value: Any) -> Any:
        """A list of one is that one, so that it is saved as such."""
        return value[0] if isinstance(value, list | tuple) and len(value) == 1 else value

    @model_validator(mode="after")
    def _something_to_learn_from(self) -> Settings:
        if not self.features and self.finetune is None:
            raise ValueError("setting features: expected at least one extractor, or finetune")
        return self

    @field_validator("label_range")
    @classmethod
    def _rising(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not -math.inf < value[0] < value[1] < math.inf:
            raise ValueError("expected [lowest, highest], two finite numbers")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, environment, configuration file; the first two determine which file."""
        named = {**env_settings(), **init_settings()}.get("config", DEFAULT_CONFIG)
        path = config_path(str(named))
        file = ConfigFile(settings_cls, path, yaml_file_encoding="utf-8-sig")
        return init_settings, env_settings, file

    @property
    def shown_data(self) -> str:
        """`data` as it is written on the command line."""
        return " ".join(map(str, self._paths()))

    def named_data(self) -> tuple[Path, ...]:
        """`data`, for verbs that require it.

        Raises
        ------
        UsageError
            No data is named.
        """
        if self.data is None:
            raise UsageError("no data named; give DATA, a data set folder or a CSV manifest")
        return self._paths()

    def _paths(self) -> tuple[Path, ...]:
        if self.data is None:
            return ()
        return (self.data,) if isinstance(self.data, Path) else self.data

    @property
    def finetuned(self) -> Path:
        """The folder of the run's fine-tuned model."""
        return self.run / "finetuned"

    @property
    def finetuned_feature(self) -> str:
        """The name of the run's fine-tuned model as an extractor."""
        return f"finetuned:{os.path.abspath(self.finetuned)}"  # noqa: PTH100

    def runtime(self) -> Runtime:
        """The device and the weights named by these settings."""
        return Runtime(
            WeightFiles(self.weights, self.weight_files),
            device=self.device,
            precision=self.precision,
            gpu_memory=self.gpu_memory,
            scratch=local_side(self.cache) / "scratch",
        )

    def cluster(self) -> Cluster | None:
        """Where to extract, None for this process."""
        return Cluster(self.ray_address) if self.engine == "ray" else None

    def save(self, path: Path) -> None:
        """Write the settings as YAML that loads as a configuration again."""
        path.write_text(yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False))
