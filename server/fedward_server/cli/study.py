"""`fedward-coordinator study`: write, check, publish and list studies."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedward_server.cli.options import DEFAULT_HOME, HomeOption
from fedward_server.home import CoordinatorHome
from fedward_shared.console import next_step, say
from fedward_shared.contracts.study import LARGEST_MANIFEST
from fedward_shared.errors import UsageError

if TYPE_CHECKING:
    from rich.status import Status

    from fedward_shared.contracts.study import Study
    from fedward_shared.manifest.cost import Cost

__all__ = ["study_app"]

study_app = typer.Typer(
    no_args_is_help=True,
    help="Studies: what is trained, on which data, by whom. Start with: fedward-coordinator study init study.toml",
)

_READABLE = 0o644
_THOUSAND = 1000
_UNITS = ("B", "kB", "MB", "GB", "TB")


@study_app.command("init")
def init(
    file: Annotated[Path | None, typer.Argument(help="The file to write. Default: study.toml in --home.")] = None,
    *,
    template: Annotated[
        str | None,
        typer.Option(
            "--from-template", help="table (rows of a table; the default), survival, images, series, signals or text."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Write it for this model, with its recipe, such as mlp, cox, resnet18, cnn1d."),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--from", help="A CSV table to draft the contract from, one question at a time."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --from: take every proposed answer.")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Write a commented study file to start from. It passes `study check` as it is."""
    from fedward_shared.files import write_atomic
    from fedward_shared.manifest.template import template as text_of

    path = file or home / "study.toml"
    if table is not None and (template or model):
        other = "--from-template" if template else "--model"
        raise UsageError(f"--from and {other} are both given", hint="Keep one of the two.")
    if path.exists():
        raise UsageError(f"{path} exists already", hint="Choose another name, or remove the file first.")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", hint="Make it first, or name another file.")
    text = text_of(template or "", model or "") if table is None else _drafted(table, yes=yes)
    write_atomic(path, text.encode(), mode=_READABLE)
    say(f"Wrote {path}, with {'example' if table is None else 'proposed'} values. Edit it to fit.")
    next_step(f"fedward-coordinator study check {path}", "what is wrong with it, and what it will cost")


def _drafted(table: Path, *, yes: bool) -> str:
    """A study file made of a table, by questions or, with `yes`, by the proposed answers."""
    import re
    import secrets

    from fedward_server import inspection

    if not yes and not _somebody_answers():
        raise UsageError("nobody is there to answer", hint="Run it in a terminal, or add --yes to take every default.")
    sample = inspection.read_sample(table)
    profiles = inspection.profile(sample)
    say(
        f"Read {sample.rows} rows of {table.name}{'' if sample.complete else ' (its first; the others were not read)'}."
    )
    say("Ranges, centres and lists of values are taken from this table, and a study file is public:")
    say("use a table that may be described in public, such as a published or generated one.")
    for what in sample.left_out:
        say(f"left out: {what}")
    if sample.ragged:
        say(f"left out: {sample.ragged} rows with another number of cells than the header")
    if sample.decimal == ",":
        say('Numbers have a decimal comma: sites with such files write decimal = "," at the top of their mapping.toml.')
    if not yes:
        say('Press Enter to take the answer in brackets; answer "!" to take all that follow.')
    name = re.sub(r"[^a-z0-9]+", "-", table.stem.lower()).strip("-")[:63] or "study"
    talk = inspection.Interview(ask=_prompt, say=say, hurried=yes)
    choices = inspection.interview(sample, profiles, talk, name=name, key=f"{name}-{secrets.token_hex(8)}")
    return inspection.draft(sample, profiles, choices)


def _somebody_answers() -> bool:
    return sys.stdin.isatty()


def _prompt(question: str, default: str) -> str:
    return str(typer.prompt(f"\n{question}\n", default=default, show_default=bool(default), prompt_suffix=" "))


@study_app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="The study file.")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Say everything that is wrong with a study file, and what the study will cost in ε, bytes and time."""
    from fedward_shared.files import read_limited
    from fedward_shared.manifest.cost import cost
    from fedward_shared.manifest.notices import warnings
    from fedward_shared.manifest.resolve import load_draft

    study = load_draft(read_limited(file, LARGEST_MANIFEST))
    say(f"{study.name}: {study.title}")
    with _working("Working out noise and cost …"):
        found = cost(study)
    _show(study, found)
    for warning in warnings(study):
        say(f"warning: {warning}")
    _warn_not_joined(study, CoordinatorHome(home))
    next_step(f"fedward-coordinator study publish {file} --home {home}", "sign it, so that hospitals can approve it")


@study_app.command("publish")
def publish(
    file: Annotated[Path, typer.Argument(help="The study file.")],
    home: HomeOption = DEFAULT_HOME,
    study_key: Annotated[
        Path | None, typer.Option("--study-key", help="The study key (PEM) where it is kept offline.")
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option("--start", help="The weights that the study starts from, where it has a \\[model.start]."),
    ] = None,
) -> None:
    """Complete a study file, sign it with the study key and offer it to its sites. Its hash names it from then on."""
    from fedward_server import publishing
    from fedward_server.studies import Studies
    from fedward_shared.files import read_limited
    from fedward_shared.manifest.cost import cost
    from fedward_shared.manifest.notices import warnings

    coordinator = CoordinatorHome(home)
    coordinator.load()
    key = publishing.signing_key(coordinator, study_key)
    with _working("Working out noise and signing …"):
        draft, studies = read_limited(file, LARGEST_MANIFEST), Studies(coordinator.studies_dir)
        done = publishing.publish(draft, key, studies, start=start)
        offer = publishing.write_offer(done.folder, coordinator)
        found = cost(done.study)
    say(f"Published {done.study.name} as {done.folder.id}")
    say(f"hash  {done.hash.hex()}")
    say(f"file  {done.folder.root / 'study.toml'}")
    say(f"offer {offer}")
    if terms := done.study.model.start:
        say(f"start {terms.source} ({terms.licence}), kept here; the first round sends these weights")
    _show(done.study, found)
    for warning in warnings(done.study):
        say(f"warning: {warning}")
    _warn_not_joined(done.study, coordinator)
    say("Each site now runs: fedward-site study show, then fedward-site study approve")
    say("(the study reaches a site that runs by itself; by hand: give it the offer, for fedward-site study add FILE)")
    next_step(f"fedward-coordinator run --home {home}", "serves the sites, and trains once enough have approved")


@study_app.command("list")
def list_studies(home: HomeOption = DEFAULT_HOME) -> None:
    """List the studies that were published here."""
    from rich.console import Console
    from rich.table import Table

    from fedward_server.studies import Studies

    coordinator = CoordinatorHome(home)
    coordinator.load()
    folders = Studies(coordinator.studies_dir).all()
    if not folders:
        say("No study was published here yet.")
        next_step("fedward-coordinator study init study.toml", "begin with a commented file")
        return
    table = Table("id", "name", "state", "sites", "rounds")
    for folder in folders:
        study, standing = folder.study(), folder.standing()
        table.add_row(folder.id, study.name, standing.state.value, str(len(study.sites)), str(study.strategy.rounds))
    Console().print(table)
    next_step(f"fedward-coordinator status --home {home}", "how far each of them is")


def _show(study: Study, found: Cost) -> None:
    """The price list: one line a site, and the totals."""
    from rich.console import Console
    from rich.table import Table

    from fedward_shared.manifest.cost import TIME_BASIS

    table = Table("site", f"ε at δ = {found.delta:g}", "noise σ", "bytes a round, down / up", "largest update")
    for site in found.sites:
        resolved = site.resolved
        table.add_row(
            site.name,
            "∞ (no privacy)" if math.isinf(resolved.epsilon) else f"{resolved.epsilon:.3f}",
            f"{resolved.noise_multiplier:.4g}",
            f"{_size(site.bytes_down)} / {_size(site.bytes_up)}",
            f"{resolved.max_update_norm:.4g}",
        )
    Console().print(table)
    spare = study.strategy.spare_attempts
    say(f"ε is per {study.data.unit} and site; it covers {spare} spare attempts. Who is in two sites adds both up.")
    say(f"{found.parameters} parameters; {found.rounds} rounds of {found.steps_a_round} steps at each site")
    say(f"{_size(found.bytes_a_round)} a round at all sites, {_size(found.bytes_total)} in all")
    say(f"about {_duration(found.seconds_total)} ({TIME_BASIS})")


def _warn_not_joined(study: Study, home: CoordinatorHome) -> None:
    from fedward_server.publishing import sites_not_joined

    if not home.registry_db.exists():
        return
    for name in sites_not_joined(study, home):
        invite = f"fedward-coordinator invite {name} --home {home.root}"
        say(f"warning: {name} has not joined this coordinator; invite it: {invite}")


def _working(what: str) -> Status:
    from rich.console import Console

    return Console(stderr=True).status(what)


def _size(count: int) -> str:
    """A number of bytes for people, in powers of 1000."""
    power = min((len(str(count)) - 1) // 3, len(_UNITS) - 1)
    size = count / _THOUSAND**power
    return f"{size:.1f} {_UNITS[power]}" if power else f"{count} B"


def _duration(seconds: float) -> str:
    """A time for people."""
    for length, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(1, round(seconds))} s"
