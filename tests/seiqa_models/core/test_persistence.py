"""Archives of equal models are equal, and they load."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import skops.io
from sklearn.linear_model import LinearRegression

from seiqa_models.core.persistence import canonical_dump


def model(**parts: object) -> LinearRegression:
    made = LinearRegression()
    made.__dict__.update(coef_=np.array([1.0, 2.0]), intercept_=0.5, **parts)
    return made


def test_equal_content_is_equal_bytes_whatever_is_shared():
    once = np.arange(5.0)
    shared, apart = model(a=once, b=once), model(a=once.copy(), b=once.copy())
    assert canonical_dump(shared) == canonical_dump(apart)
    assert canonical_dump(shared) != canonical_dump(model(a=once, b=once + 1))


def test_the_archive_loads_and_has_no_date_of_its_own():
    names = {"z", "a", "m"}
    dumped = canonical_dump(model(names=names, file="file", raw=b"bytes", inner={"file": [1, "x"]}))
    with zipfile.ZipFile(io.BytesIO(dumped)) as archive:
        assert {info.date_time[0] for info in archive.infolist()} == {1980}
        assert archive.namelist() == sorted(archive.namelist())
        schema = json.loads(archive.read("schema.json"))
    assert schema["__id__"] == 1
    loaded = skops.io.loads(dumped)
    assert (loaded.names, loaded.file, loaded.raw) == (names, "file", b"bytes")
    assert loaded.inner == {"file": [1, "x"]}
    np.testing.assert_array_equal(loaded.predict([[1.0, 1.0]]), [3.5])
