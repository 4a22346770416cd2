"""`fedward-coordinator model export, verify, show`: the trained model, with all that is needed to use and judge it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedward_server.cli.options import DEFAULT_HOME, HomeOption
from fedward_shared.console import next_step, say
from fedward_shared.errors import UsageError

if TYPE_CHECKING:
    from fedward_shared.bundle.folder import Bundle

__all__ = ["model_app"]

model_app = typer.Typer(no_args_is_help=True, help="The trained model: take it out, verify it, read its card.")

_FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="The exported folder.")]
_KeyOption = Annotated[
    str,
    typer.Option(
        "--study-key", help="The study key's fingerprint, from your invite. Default: the one that --home knows."
    ),
]


@model_app.command("export")
def export(
    study: Annotated[str, typer.Argument(help="The study's name or id.")],
    *,
    out: Annotated[Path | None, typer.Option(help="The folder to write. Default: STUDY-model.")] = None,
    evaluation: Annotated[
        Path | None, typer.Option(help="result.json of fedward-sim compare: its figures go into the card.")
    ] = None,
    onnx: Annotated[bool, typer.Option("--onnx/--no-onnx", help="Whether model.onnx is written, too.")] = True,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Writes the model (safetensors, ONNX) with its card and who took part, signed, and says how to load it."""
    from fedward_server.export.description import LOADING
    from fedward_server.export.exporting import Wish, export_model
    from fedward_server.home import CoordinatorHome
    from fedward_server.studies import Studies
    from fedward_shared.crypto.keys import fingerprint

    place = CoordinatorHome(home)
    place.load()
    folder = Studies(place.studies_dir).find(study)
    target = out or Path(f"{folder.study().name}-model")
    done = export_model(place, folder, Wish(target, onnx=onnx, evaluation=evaluation))
    names = [file.name for file in done.bundle.listing.files]
    say(f"Wrote {', '.join(names)} to {target}, signed.")
    if done.onnx and done.onnx.runtime:
        say(
            f"model.onnx gives the model's scores: compared in {done.onnx.runtime} on {done.onnx.records} made-up "
            f"records, they differ by at most {done.onnx.largest_difference:.0e}."
        )
    elif done.onnx:
        say("model.onnx was NOT compared with the model: onnxruntime is not installed here. The card says so.")
    say("In that folder, this loads the model:\n")
    say("\n".join(f"    {line}" for line in LOADING))
    key = fingerprint(done.bundle.study_key)
    next_step(f'fedward-coordinator model verify {target} --study-key "{key}"', "what whoever receives it does first")


@model_app.command("verify")
def verify(folder: _FolderArgument, study_key: _KeyOption = "", home: HomeOption = DEFAULT_HOME) -> None:
    """Checks, without a network, that every file is what the consortium signed. 3: it is not; do not use it."""
    bundle = _opened(folder, study_key, home)
    listing = bundle.listing
    say(f"{folder} is the model of study {listing.name}, {listing.study}.")
    whose = "that you named" if study_key else f"of the coordinator in {home}"
    say(f"Signed {_day(listing.signed)} under the study key {whose}; {len(listing.files)} files, each as signed.")
    next_step(f"fedward-coordinator model show {folder}", "its card")


@model_app.command("show")
def show(folder: _FolderArgument, study_key: _KeyOption = "", home: HomeOption = DEFAULT_HOME) -> None:
    """Prints the model card, once the folder is verified."""
    from fedward_server.export.card.texts import as_text, from_json

    bundle = _opened(folder, study_key, home)
    say(as_text(from_json(bundle.read("card.json"))))
    next_step(f"open {folder}/card.html", "the same as a page")


def _opened(folder: Path, study_key: str, home: Path) -> Bundle:
    from fedward_server.home import CoordinatorHome
    from fedward_shared.bundle.folder import open_bundle
    from fedward_shared.crypto.keys import fingerprint

    place = CoordinatorHome(home)
    if not study_key and not place.study_public_file.is_file():
        raise UsageError(
            "whose model it should be is not said",
            hint='Give the fingerprint in your invite: --study-key "ab12 cd34 ...". The folder itself cannot vouch.',
        )
    return open_bundle(folder, study_key or fingerprint(place.study_public()))


def _day(seconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
