"""`model export`: all is made in memory and checked, signed, written beside the target, and put there at once."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedward_server.export.card.card import OnnxFacts
from fedward_server.export.card.evaluation import read_evaluation
from fedward_server.export.card.facts import Export, make_card
from fedward_server.export.card.texts import as_html, as_json, as_markdown
from fedward_server.export.description import ONNX_LOADING, describe, score_names
from fedward_server.export.finished import Finished, read_finished
from fedward_server.export.inputs import input_document, input_type
from fedward_server.export.points import scorecard_files
from fedward_server.home import CoordinatorHome
from fedward_server.studies import StudyFolder
from fedward_shared.bundle.folder import Bundle, open_bundle
from fedward_shared.bundle.listing import LISTING, SEAL, Listing, encode_listing
from fedward_shared.bundle.seal import encode_seal, seal_listing
from fedward_shared.crypto import round_key
from fedward_shared.crypto.keys import fingerprint
from fedward_shared.errors import UsageError
from fedward_shared.files import sync_folder, write_atomic
from fedward_shared.manifest.contract import contract_digest
from fedward_shared.version import VERSION

__all__ = ["Exported", "Wish", "export_model"]

_READABLE = 0o644
_LISTABLE = 0o755


@dataclass(frozen=True, slots=True)
class Wish:
    """What to export: where to, with ONNX or without, and a result.json whose figures go into the card."""

    out: Path
    onnx: bool = True
    evaluation: Path | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """The folder as it was written and verified, and how model.onnx was checked (None: there is none)."""

    bundle: Bundle
    onnx: OnnxFacts | None


def export_model(
    home: CoordinatorHome, folder: StudyFolder, wish: Wish, *, clock: Callable[[], float] = time.time
) -> Exported:
    """Writes the finished study in `folder` as a signed folder of files.

    1. The target is free, and the round key's certificate is valid: whatever takes long comes after.
    2. The study has ended, and the study key signed it.
    3. All files are made; the ONNX graph gives the model's scores.
    4. The list of files is signed, and all is written beside the target and renamed.
    5. What was written is opened as anybody else would.

    Raises:
        UsageError: the target exists, the study has not ended, or a package is missing.
        SignatureError: the round key's certificate is not valid today, or the study is not the one that was signed.
        FedwardError: the ONNX graph gives other scores than the model.
    """
    now, study_key = int(clock()), home.study_public()
    _check_free(wish.out)  # 1
    round_key.check(study_key, *home.round_key_certificate(), now)
    finished = read_finished(folder, study_key)  # 2
    files, onnx = _files(finished, home, wish, now)  # 3
    listing = encode_listing(Listing.of(finished.hash, finished.study.name, VERSION, now, files))  # 4
    seal = seal_listing(
        listing,
        home.round_key(),
        study_key=study_key,
        study_signature=finished.signature,
        certificate=home.round_key_certificate(),
    )
    _write(wish.out, {**files, LISTING: listing, SEAL: encode_seal(seal)})
    return Exported(open_bundle(wish.out, fingerprint(study_key), clock=clock), onnx)  # 5


def _files(
    finished: Finished, home: CoordinatorHome, wish: Wish, now: int
) -> tuple[dict[str, bytes], OnnxFacts | None]:
    study = finished.study
    evaluation = read_evaluation(wish.evaluation, finished.hash.hex()) if wish.evaluation else None
    graph, onnx = _graph(finished) if wish.onnx else (None, None)
    export = Export(home.load().name, home.study_public(), now, onnx, evaluation)
    card = make_card(finished, export)
    description = describe(finished.manifest, study, finished.attempts)
    files = {
        "study.toml": finished.manifest,
        "model.safetensors": finished.weights_file,
        "model.json": _json({**description, "load_onnx": list(ONNX_LOADING) if graph else []}),
        "inputs.json": _json(input_document(study.data)),
        "participation.json": finished.report,
        "card.json": as_json(card).encode(),
        "card.md": as_markdown(card).encode(),
        "card.html": as_html(card).encode(),
        **scorecard_files(study, finished.weights),
    }
    return {**files, "model.onnx": graph} if graph else files, onnx


def _graph(finished: Finished) -> tuple[bytes, OnnxFacts]:
    """model.onnx, compared with the model where there is a runtime to do it."""
    from fedward_server.export import onnx_graph

    onnx_graph.check_available()
    from fedward_server.export.onnx_check import check_onnx
    from fedward_shared.models.heads.head import head_for
    from fedward_shared.models.registry import record_shape

    study = finished.study
    head, shape = head_for(study.model, study.data), record_shape(study.model, study.data)
    facts = _metadata(finished)
    graph = onnx_graph.to_onnx(onnx_graph.scoring(finished.model(), head), shape, input_type(study.data), facts)
    check = check_onnx(graph, onnx_graph.scoring(finished.model(), head), shape, study.data)
    versions = onnx_graph.exporter_versions()
    told = OnnxFacts(
        onnx_graph.OPSET, versions, check.runtime, check.records, check.largest_difference, check.tolerance
    )
    return graph, told


def _metadata(finished: Finished) -> dict[str, str]:
    """What stands in the ONNX file itself, so that it is told even where the file is alone."""
    study = finished.study
    backbone = study.model.backbone
    told: dict[str, Any] = {
        "study": study.name,
        "study_sha256": finished.hash.hex(),
        "contract": contract_digest(study.data).hex(),
        "model": study.model.name,
        "inputs": input_document(study.data),
        "label": study.data.label.column,
        "scores": list(score_names(study)),
        "code_version": study.code_version,
        "backbone": {"name": backbone.name, "sha256": backbone.sha256} if backbone else None,
    }
    return {
        f"fedward.{key}": value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for key, value in told.items()
    }


def _check_free(out: Path) -> None:
    if out.is_symlink() or (out.exists() and not out.is_dir()) or (out.is_dir() and any(out.iterdir())):
        raise UsageError(
            f"{out} exists already", hint="An export is never written over another. Choose another folder with --out."
        )
    if not out.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {out.absolute().parent}", hint="Make it first, or choose another --out.")


def _write(out: Path, files: Mapping[str, bytes]) -> None:
    """All files or none: the folder appears under its name when it is complete and on disk."""
    parent = out.absolute().parent
    draft = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=parent))
    try:
        for name, content in files.items():
            write_atomic(draft / name, content, mode=_READABLE)
        draft.chmod(_LISTABLE)
        _check_free(out)
        draft.rename(out)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    sync_folder(parent)


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"
