"""What a cell leaves behind, and its files: all of them or none, and whoever reads them notices damage."""

from __future__ import annotations

import hashlib
import io
import json
import math
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedward_shared.errors import FedwardError
from fedward_shared.evaluation.scored import Scored
from fedward_shared.files import sync_folder, write_atomic

__all__ = ["DamagedError", "Result", "read_result", "write_result"]

_RECORD = "result.json"
_SCORES = "scores.npz"
_MODEL = "model.safetensors"
_PARTS = ("labels", "scores", "units")


class DamagedError(FedwardError):
    """The files of a finished cell are not what was written."""


@dataclass(frozen=True, slots=True)
class Result:
    """A trained cell.

    `run` holds what the model said of the rows it was judged on, by site. `spent` is ε by site, empty without privacy.
    `seconds` is how long the cell took on one core. `model` is the trained model, where it is one for all sites.
    """

    run: Mapping[str, Scored]
    spent: Mapping[str, float]
    seconds: float
    provenance: str
    model: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


def write_result(place: Path, result: Result, about: Mapping[str, object]) -> None:
    """Writes the folder `place`, whole or not at all; where it is there already, it stays.

    Args:
        place: the cell's folder; its parent exists.
        result: what to keep.
        about: facts for people, kept beside the figures.
    """
    if any(not math.isfinite(value) for value in result.spent.values()):
        raise FedwardError("what was spent is no number")
    made = Path(tempfile.mkdtemp(prefix=".cell-", dir=place.parent))
    try:
        files = {_SCORES: _packed(result.run)}
        if result.model:
            from safetensors.numpy import save

            files[_MODEL] = save(dict(result.model))
        for name, content in files.items():
            write_atomic(made / name, content)
        record = {
            "about": dict(about),
            "sites": [[site, sorted(scored.groups)] for site, scored in result.run.items()],
            "spent": dict(result.spent),
            "seconds": result.seconds,
            "provenance": result.provenance,
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        }
        record["digest"] = _digest(record)
        write_atomic(made / _RECORD, json.dumps(record, indent=2, allow_nan=False).encode() + b"\n")
        made.rename(place)
    except OSError:
        if not place.is_dir():
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    sync_folder(place.parent)


def read_result(place: Path) -> Result:
    """What was written.

    Raises:
        DamagedError: something is missing or was changed.
    """
    try:
        record = json.loads((place / _RECORD).read_bytes())
        _require(record.pop("digest") == _digest(record), place)
        files = {name: (place / name).read_bytes() for name in record["files"]}
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        _require(digests == record["files"], place)
        return Result(
            run=_unpacked(files[_SCORES], record["sites"]),
            spent={str(site): float(value) for site, value in record["spent"].items()},
            seconds=float(record["seconds"]),
            provenance=str(record["provenance"]),
            model=_model(files.get(_MODEL)),
        )
    except DamagedError:
        raise
    except Exception as error:  # whatever a damaged file makes its reader say
        raise _damaged(place) from error


def _require(whole: bool, place: Path) -> None:  # reads like an assertion
    if not whole:
        raise _damaged(place)


def _digest(record: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of everything else in a record, the files' digests among it."""
    return hashlib.sha256(json.dumps(record, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _packed(run: Mapping[str, Scored]) -> bytes:
    arrays: dict[str, NDArray[Any]] = {}
    for number, scored in enumerate(run.values()):
        arrays.update({f"{number}/{name}": getattr(scored, name) for name in _PARTS})
        arrays.update({f"{number}/group/{place}": scored.groups[n] for place, n in enumerate(sorted(scored.groups))})
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def _unpacked(content: bytes, sites: list[tuple[str, list[str]]]) -> dict[str, Scored]:
    with np.load(io.BytesIO(content), allow_pickle=False) as kept:
        return {
            site: Scored(
                labels=kept[f"{number}/labels"],
                scores=kept[f"{number}/scores"],
                units=kept[f"{number}/units"],
                groups={name: kept[f"{number}/group/{place}"] for place, name in enumerate(groups)},
            )
            for number, (site, groups) in enumerate(sites)
        }


def _model(content: bytes | None) -> dict[str, NDArray[np.float32]]:
    if content is None:
        return {}
    from safetensors.numpy import load

    return dict(load(content))


def _damaged(place: Path) -> DamagedError:
    return DamagedError(f"{place} is damaged", hint="It is trained again.")
