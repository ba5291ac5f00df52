"""A cluster computes what one process computes, whatever is killed; and says what is wrong with it.

Clusters are real and of this machine: each node has its own processes, and all listen on loopback.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pyarrow.parquet as pq
import pytest

from seiqa_features.errors import ClusterError, DataError, StoreError
from seiqa_features.extraction import cluster as cluster_module
from seiqa_features.extraction import connecting
from seiqa_features.extraction.actors import Extraction, Work
from seiqa_features.extraction.cluster import Share, run_on_cluster
from seiqa_features.extraction.connecting import Cluster, this_machine
from seiqa_features.extraction.runner import RunReport, extract
from seiqa_features.extraction.runtime import Runtime
from seiqa_features.table.recipe import Recipe
from seiqa_features.table.store import Store
from seiqa_features.table.table import assemble
from seiqa_features.weights.files import WeightFiles
from tests.seiqa_features.random_networks import TINY_VIT, resources_for

RECIPE = Recipe.parse({"gms": ["max512"], "colour": ["s48"]})
OBJECTS = 80 * 2**20  # bytes of a node's shared memory
SIZE = 96, 128  # of the pictures, in pixels
QUIET = {"log_to_driver": False, "include_dashboard": False}

needs_ray = [
    pytest.mark.enable_socket,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture
def pairs(make_pairs: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    return make_pairs(3, 4, SIZE)


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return Runtime(WeightFiles(tmp_path / "no weights"))


@pytest.fixture
def work(tmp_path: Path, runtime: Runtime) -> Work:
    prints = {block.name: block.fingerprint for block in RECIPE.blocks}
    store = Store(tmp_path / "store")
    return Work(RECIPE.to_dict(), prints, store, runtime.elsewhere(), workers=1)


# --- an actor, in this process ---------------------------------------------------------------


def test_an_actor_fills_the_store(pairs: pd.DataFrame, work: Work) -> None:
    result = Extraction(work)(pairs)
    assert result.columns.tolist() == ["pair_id", "line", "fatal"]
    assert set(result["line"]) == set(result["fatal"]) == {""}
    assert all(len(work.store.keys(block)) == 12 for block in RECIPE.blocks)


def test_an_actor_says_which_pairs_failed(pairs: pd.DataFrame, work: Work) -> None:
    gone = Path(pairs["dist_path"][5])
    gone.unlink()
    result = Extraction(work)(pairs).set_index("pair_id")
    assert result["line"][pairs["pair_id"][5]].endswith(f"{gone}: no such file")
    assert (result["line"] != "").sum() == 1
    assert all(len(work.store.keys(block)) == 11 for block in RECIPE.blocks)


def fatal(pairs: pd.DataFrame, work: Work) -> tuple[str, str]:
    """The same for every pair of the unit: the kind of error and its lines."""
    result = Extraction(work)(pairs)
    assert set(result["fatal"]) != {""}
    ((kind, line),) = set(zip(result["fatal"], result["line"], strict=True))
    return kind, line


def test_a_node_with_another_version(pairs: pd.DataFrame, work: Work) -> None:
    assert fatal(pairs, replace(work, version="0.0.9")) == (
        "ClusterError",
        f"node {socket.gethostname()}: has seiqa {version('seiqa')}, expected 0.0.9 as where the"
        " run was started; install one version on all nodes",
    )


def test_a_node_with_other_libraries(
    pairs: pd.DataFrame, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seiqa_features.table import recipe

    monkeypatch.setattr(recipe.PIL, "__version__", "0.1")
    kind, line = fatal(pairs, work)
    assert kind == "ClusterError"
    assert "computes gms__max512 differently (pillow 0.1, expected " in line
    assert not work.store.root.exists()


def test_a_node_without_the_weights(pairs: pd.DataFrame, work: Work, tmp_path: Path) -> None:
    there = resources_for(TINY_VIT, tmp_path / "random").weights
    recipe, _ = Runtime(WeightFiles(tmp_path, there)).bind(Recipe.parse({TINY_VIT: ["s160"]}))
    prints = {block.name: block.fingerprint for block in recipe.blocks}
    kind, line = fatal(pairs, replace(work, recipe=recipe.to_dict(), fingerprints=prints))
    assert kind == "WeightsError"
    assert line.startswith(f"node {socket.gethostname()}: weights are missing: 1 files, ")


def test_a_node_with_other_weights(pairs: pd.DataFrame, work: Work, tmp_path: Path) -> None:
    there = resources_for(TINY_VIT, tmp_path / "random").weights
    runtime = Runtime(WeightFiles(tmp_path, there))
    recipe, _ = runtime.bind(Recipe.parse({TINY_VIT: ["s160"]}))
    bound = recipe.bind(dict.fromkeys(dict(recipe.blocks[0].checksums), "0" * 64), runtime.dtype)
    prints = {block.name: block.fingerprint for block in bound.blocks}
    kind, line = fatal(
        pairs,
        replace(work, recipe=bound.to_dict(), fingerprints=prints, runtime=runtime.elsewhere()),
    )
    assert kind == "ClusterError"
    assert "expected 0000" in line


def test_a_full_disk_on_a_node(
    pairs: pd.DataFrame, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("cache: cannot write features (No space left on device)")

    monkeypatch.setattr(Store, "append", full)
    kind, line = fatal(pairs, work)
    assert (kind, line) == ("StoreError", "cache: cannot write features (No space left on device)")


# --- units, devices, addresses ---------------------------------------------------------------


def test_units_are_shared_fairly_and_paths_are_absolute(
    pairs: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = pairs.assign(ref_path=[Path(path).name for path in pairs["ref_path"]])
    units = cluster_module._units(rows, Share(cpus=4, gpus=0, count=1))
    assert [len(unit) for unit in units] == [3, 3, 3, 3]
    together = pd.concat(units)
    assert together["pair_id"].tolist() == pairs["pair_id"].tolist()
    assert together["ref_path"].tolist() == pairs["ref_path"].tolist()
    many = pd.concat([pairs] * 100)
    units = cluster_module._units(many, Share(cpus=4, gpus=0, count=1))
    assert {len(unit) for unit in units[:-1]} == {4 * cluster_module.UNIT_PAIRS}


def test_devices_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(connecting, "find_spec", lambda _: True)
    assert this_machine(["cuda:0", "cuda:2"]) == Cluster(gpus=("0", "2"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,6,7")
    assert this_machine(["cuda:0", "cuda:2"]) == Cluster(gpus=("5", "7"))
    assert this_machine(["cpu", "cpu"]) == Cluster()


def test_several_devices_without_ray(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connecting, "find_spec", lambda _: None)
    assert this_machine(["cuda:0", "cuda:1"]) is None
    (line,) = caplog.messages
    assert line.startswith("only cuda:0 of 2 devices is used; Ray (pip install 'seiqa[cluster]')")


def test_no_ray(pairs: pd.DataFrame, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ClusterError, match=r"Ray is not installed.*pip install 'seiqa\[cluster\]'"):
        run_on_cluster(pairs, RECIPE, Store(Path("nowhere")), runtime, Cluster(), lambda *_: None)


@pytest.mark.enable_socket
def test_nobody_answers(pairs: pd.DataFrame, runtime: Runtime, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: extra cluster")
    with socket.socket() as taken:  # bound and not listening: it refuses
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ClusterError) as caught:
            extract(
                pairs, RECIPE, Store(tmp_path / "store"), runtime, workers=1,
                cluster=Cluster(address),
            )  # fmt: skip
    line = str(caught.value)
    assert line.startswith(f"--ray-address {address}: nobody answers (")
    assert "\n" not in line
    assert caught.value.exit_code == 2


def test_addresses_that_need_no_answer() -> None:
    pytest.importorskip("ray", reason="Ray is not installed: extra cluster")
    connecting.require_answer(Cluster())
    connecting.require_answer(Cluster("auto"))


@pytest.mark.parametrize("address", ["somewhere", "10.0.0.1", "host:port", "ray://host:1"])
def test_addresses_that_are_none(address: str) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: extra cluster")
    with pytest.raises(ClusterError, match=r"expected host:port, such as 10\.0\.0\.1:6379"):
        connecting.require_answer(Cluster(address))


def test_a_cluster_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed: extra cluster")

    def slow(*_: object, **__: object) -> None:
        raise Exception("The current node timed out\nduring startup.")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", slow)
    with (
        pytest.raises(ClusterError, match=r"cannot be used \(The current node timed out during"),
        connecting.connected(Cluster()),
    ):
        pytest.fail("it is not connected")


def test_a_cluster_that_answers_and_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray says no more than that it cannot connect where the token is another one."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: extra cluster")

    def refused(*_: object, **__: object) -> None:
        raise ConnectionError("Failed to connect to Ray cluster at 10.0.0.1:6379")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refused)
    monkeypatch.setattr(connecting, "require_answer", lambda _: None)
    with (
        pytest.raises(
            ClusterError, match=r"\(Failed to connect.*\); its token \(RAY_AUTH_TOKEN\) and"
        ),
        connecting.connected(Cluster("10.0.0.1:6379")),
    ):
        pytest.fail("it is not connected")


def test_errors_come_back_as_what_they_were() -> None:
    error = cluster_module._error("DataError", "one\ntwo")
    assert isinstance(error, DataError)
    assert error.problems == ["one", "two"]
    assert isinstance(cluster_module._error("StoreError", "full"), StoreError)


# --- real clusters ---------------------------------------------------------------------------


@pytest.fixture
def ray() -> Iterator[Any]:
    found = pytest.importorskip("ray", reason="Ray is not installed: extra cluster")
    with connecting.signal_kept(signal.SIGTERM):
        yield found
        found.shutdown()


def test_ray_leaves_the_signals_of_the_program_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed: extra cluster")

    def replacing(*_: object, **__: object) -> None:
        signal.signal(signal.SIGTERM, lambda *_: None)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", replacing)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with connecting.connected(Cluster()):
        assert signal.getsignal(signal.SIGTERM) is before


def start(ray: Any) -> None:
    """A node with one core. Ray gives it 30 s, which a busy machine may exceed."""
    for attempt in range(3):
        try:
            ray.init("local", num_cpus=1, object_store_memory=OBJECTS, **QUIET)
        except Exception:
            ray.shutdown()
            if attempt == 2:
                raise
        else:
            return


def rows_written(store: Store) -> dict[str, int]:
    """Rows of all shards by block: more than pairs if a row was written twice."""
    return {
        block.name: sum(
            pq.read_metadata(part).num_rows for part in store.folder(block).glob("part-*")
        )
        for block in RECIPE.blocks
    }


def same_as_local(pairs: pd.DataFrame, store: Store, runtime: Runtime, folder: Path) -> None:
    local = Store(folder / "local")
    extract(pairs, RECIPE, local, runtime, workers=2)
    pd.testing.assert_frame_equal(
        assemble(pairs, RECIPE, store)[0], assemble(pairs, RECIPE, local)[0], check_exact=True
    )


def actors() -> list[psutil.Process]:
    """The actors of clusters that this process started; others may run on this machine."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            if "MapWorker" in " ".join(process.cmdline()):
                found.append(process)
    return found


class _Marked:
    pytestmark = needs_ray


class TestOneNode(_Marked):
    def test_the_same_table_though_a_worker_is_killed(
        self,
        ray: Any,
        tmp_path: Path,
        make_pairs: Callable[..., pd.DataFrame],
        runtime: Runtime,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(cluster_module, "UNIT_PAIRS", 4)
        pairs = make_pairs(10, 4, SIZE)
        store = Store(tmp_path / "store")
        extract(pairs[:4], RECIPE, store, runtime, workers=1)
        start(ray)
        steps: list[tuple[int, int]] = []

        def watch(done: int, total: int) -> None:
            steps.append((done, total))
            if len(steps) == 2:
                for process in actors():
                    process.kill()

        report = extract(
            pairs, RECIPE, store, runtime, workers=1, cluster=Cluster(), on_progress=watch
        )
        assert (report.computed, report.cached, report.failures) == (36, 4, {})
        assert steps[-1] == (36, 36)
        same_as_local(pairs, store, runtime, tmp_path)
        assert all(0 <= rows - 40 <= 4 for rows in rows_written(store).values())


@pytest.mark.slow
class TestThreeNodes(_Marked):
    @pytest.fixture
    def nodes(self, ray: Any) -> Iterator[Any]:
        """A head without cores, and three nodes with one each."""
        from ray.cluster_utils import Cluster as LocalCluster

        made = LocalCluster(initialize_head=True, head_node_args={"num_cpus": 0})
        for _ in range(3):
            made.add_node(num_cpus=1, object_store_memory=OBJECTS)
        yield made
        ray.shutdown()
        made.shutdown()

    def test_a_node_and_five_workers_are_killed(
        self,
        nodes: Any,
        tmp_path: Path,
        make_pairs: Callable[..., pd.DataFrame],
        runtime: Runtime,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(cluster_module, "UNIT_PAIRS", 4)
        pairs = make_pairs(50, 4, SIZE)
        store = Store(tmp_path / "store")
        killed: list[float] = []

        def watch(done: int, _total: int) -> None:
            if done >= 20 * (len(killed) + 1) and len(killed) < 6:
                killed.append(time.monotonic())
                if len(killed) == 3:
                    node = next(iter(nodes.worker_nodes))
                    threading.Thread(
                        target=nodes.remove_node, args=(node,), kwargs={"allow_graceful": False}
                    ).start()
                elif there := actors():
                    there[0].kill()

        report: RunReport = extract(
            pairs, RECIPE, store, runtime, workers=1,
            cluster=Cluster(nodes.address), on_progress=watch,
        )  # fmt: skip
        assert len(killed) == 6
        assert (report.computed, report.failures) == (200, {})
        same_as_local(pairs, store, runtime, tmp_path)
        assert all(0 <= rows - 200 <= 6 * 4 for rows in rows_written(store).values())

    def test_what_is_wrong_on_a_node_ends_the_run(
        self, nodes: Any, tmp_path: Path, pairs: pd.DataFrame, runtime: Runtime
    ) -> None:
        (tmp_path / "store").touch()
        with pytest.raises(StoreError, match=r"cannot write features \(Not a directory\)"):
            extract(
                pairs, RECIPE, Store(tmp_path / "store"), runtime, workers=1,
                cluster=Cluster(nodes.address),
            )  # fmt: skip
