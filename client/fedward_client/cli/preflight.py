"""`fedward-site preflight`: what of a hospital's data does not fit a study, told to the hospital alone."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedward_client.cli.options import DEFAULT_HOME, HomeOption
from fedward_shared.console import next_step, say

if TYPE_CHECKING:
    from fedward_client.home import SiteHome
    from fedward_client.importer.mapping import Mapping
    from fedward_client.importer.order import ImportOrder
    from fedward_client.importer.preflight.looking import Look, Looking
    from fedward_client.importer.preflight.profile import Profile
    from fedward_client.importer.program.running import Outcome
    from fedward_shared.contracts.cohort import DataContract
    from fedward_shared.contracts.study import SiteTerms, Study

__all__ = ["preflight"]

_LIMITS = "Limits"
_PROPOSED = ".proposed"
_INTERRUPTED = 130


def preflight(
    study: Annotated[Path, typer.Argument(help="The study file (study.toml), published or not.")],
    source: Annotated[
        str, typer.Argument(help="A file or folder of data. Left out: the mapping's \\[source].", show_default=False)
    ] = "",
    *,
    mapping: Annotated[
        Path, typer.Option("--mapping", help="How your data say what the study asks; answers are saved there.")
    ] = Path("mapping.toml"),
    site: Annotated[str, typer.Option("--site", help="Your site's name in the study, if not joined yet.")] = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the HTML report goes. Else: the site's reports folder.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: take every answer whose evidence is strong.")] = False,
    home: HomeOption = DEFAULT_HOME,
    separator: Annotated[str, typer.Option("--separator", help="Between cells, if not found: , or ; or tab.")] = "",
    max_rejected: Annotated[
        float, typer.Option("--max-rejected", help="The largest share of rows that an import may reject.")
    ] = 0.2,
    memory_limit: Annotated[
        str, typer.Option("--memory-limit", help="Memory that reading may take.", rich_help_panel=_LIMITS)
    ] = "4GB",
    time_limit: Annotated[
        str, typer.Option("--time-limit", help="How long it may take.", rich_help_panel=_LIMITS)
    ] = "12h",
    unsafe_unconfined_importer: Annotated[
        bool,
        typer.Option(
            "--unsafe-unconfined-importer",
            help="UNSAFE: go on although the program that reads your files could open the vault's key.",
            rich_help_panel=_LIMITS,
        ),
    ] = False,
) -> None:
    """See early and locally what does not fit a study; nothing is imported and nothing is sent.

    Asks what the source does not tell by itself, one question at a time, and keeps the answers in the mapping. Ends
    with 0 if an import would take the source under the mapping as it then is, else with 1.
    """
    from fedward_client.cli.import_order import memory_of, order_of, seconds_of
    from fedward_client.home import SiteHome
    from fedward_client.importer.order import Limits
    from fedward_client.importer.preflight.looking import Looking
    from fedward_shared.manifest.parse import load

    limits = Limits(
        seconds=seconds_of(time_limit, "--time-limit"),
        memory_bytes=memory_of(memory_limit, "--memory-limit"),
        max_rejected=max_rejected,
    )
    known = mapping if mapping.exists() else None
    order = order_of(source, study, "", mapping=known, separator=separator, limits=limits, dry_run=True)
    if known:
        say(f"Answers in {mapping} are used.")
    terms = load(order.manifest)
    order = _placed(order, mapping, terms.data)
    place = SiteHome(home)
    measure = _measure(place, unsafe=unsafe_unconfined_importer)
    looking = Looking(order, terms.data, _site(terms, site, place), measure)
    first = looking.look(order.mapping)
    last = _improve(looking, first, mapping, yes=yes)
    _show(looking, first, last)
    path = _write_page(looking, last, terms, _page_path(out, place, terms.name))
    say(f"\nThe same with plots and the rows in quarantine: {path}")
    say("It is for this hospital only and holds exact counts: do not send it.")
    words = ["fedward-site", "import", *([source] if source else []), "--contract", str(study)]
    words += [*(["--mapping", str(mapping)] if mapping.exists() else []), "--data-set", "NAME", "--home", str(home)]
    if last.judgement.stops:
        next_step(shlex.join([*_own_words(study, source, mapping)]), "again, once the source or the mapping is mended")
        raise typer.Exit(1)
    next_step(shlex.join(words), "NAME is your own name for these data")


def _own_words(study: Path, source: str, mapping: Path) -> list[str]:
    return ["fedward-site", "preflight", str(study), *([source] if source else []), "--mapping", str(mapping)]


def _placed(order: ImportOrder, mapping: Path, contract: DataContract) -> ImportOrder:
    """The order with its paths as they will stand in the mapping's file: from its folder, where they lie below.

    A source that is named without a mapping has its pictures and recordings beside it.
    """
    from fedward_shared.contracts.cohort import DataKind
    from fedward_shared.errors import UsageError

    folder, told = mapping.absolute().parent, order.mapping
    if contract.kind is DataKind.TENSOR and told.files is None and order.folder != folder:
        if not order.folder.is_relative_to(folder):
            raise UsageError(
                f"the mapping must lie beside the records' files or above them, and {mapping} does not",
                hint=f"Add: --mapping {order.folder / mapping.name}",
            )
        told = replace(told, files=order.folder.relative_to(folder))
    terms = told.source
    if terms is not None and terms.path is not None:
        path = terms.path if terms.path.is_absolute() else order.folder / terms.path
        path = path.relative_to(folder) if path.is_relative_to(folder) else path
        told = replace(told, source=replace(terms, path=path))
    return replace(order, mapping=told, folder=folder)


def _site(study: Study, name: str, home: SiteHome) -> SiteTerms | None:
    """What the study declares of this site: named, or the one that was joined."""
    from fedward_shared.errors import UsageError

    if name and name not in study.sites:
        raise UsageError(f"the study has no site {name!r}", hint=f"Its sites: {', '.join(study.sites)}")
    if not name and home.site_toml.exists():
        name = home.load().site
    if name in study.sites:
        return study.sites[name]
    say("The size declared for this site is not looked at: name the site with --site.")
    return None


def _measure(home: SiteHome, *, unsafe: bool) -> Callable[[ImportOrder], Profile]:
    from fedward_client.cli.data import import_progress
    from fedward_client.importer.preflight.running import preflight_confined
    from fedward_client.importer.program.in_worker import forbidden_of

    said: list[str] = []

    def told(outcome: Outcome) -> None:
        for path in outcome.confined.reached:
            line = f"warning: the program that read the source could open {path}"
            if line not in said:
                said.append(line)
                say(line)

    def measure(order: ImportOrder) -> Profile:
        with import_progress("Looking at rows") as progress:
            return preflight_confined(order, forbidden=forbidden_of(home), unsafe=unsafe, progress=progress, told=told)

    return measure


def _improve(looking: Looking, first: Look, path: Path, *, yes: bool) -> Look:
    """Answers by --yes or by a person are saved and used; without either, proposals go to a file of their own."""
    from fedward_client.importer.preflight.questions import ask_all

    if yes:
        taken: list[str] = []
        last = looking.improved(first, lambda look: _taken(look, taken))
        if taken:
            say("Answers taken, whose evidence is strong:")
        for line in taken:
            say(f"- {line}")
        _save(looking, last, path)
        return last
    if _at_terminal():
        try:
            last = looking.improved(
                first, lambda look: ask_all(look.judgement.findings, look.profile, looking.contract, look.mapping, _ask)
            )
        except (typer.Abort, KeyboardInterrupt) as error:
            say("\nInterrupted: none of these answers was saved.")
            raise typer.Exit(_INTERRUPTED) from error
        _save(looking, last, path)
        return last
    _propose(looking, first, path)
    return first


def _taken(look: Look, said: list[str]) -> Mapping:
    """The mapping with every answer whose evidence is strong; in `said` a line for each."""
    from fedward_client.importer.preflight.answers import accepted
    from fedward_client.importer.preflight.questions import told

    mapping, findings = accepted(look.mapping, look.judgement.findings)
    said += filter(None, (told(one.proposal.surely()) for one in findings if one.proposal))
    return mapping


def _at_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _save(looking: Looking, last: Look, path: Path) -> None:
    from fedward_client.importer.preflight.answers import save_mapping

    if last.mapping.columns or last.mapping != looking.order.mapping:
        kept = save_mapping(path, last.mapping, looking.contract)
        say(
            f"Answers are in {path}."
            + (f" The file was rewritten without your own comments; as it was before: {kept}" if kept else "")
        )


def _propose(looking: Looking, first: Look, path: Path) -> None:
    """Without a terminal: what would be answered, beside the mapping, which is left as it is."""
    from fedward_client.importer.preflight.answers import save_mapping
    from fedward_client.importer.preflight.looking import all_answers
    from fedward_client.importer.preflight.questions import told

    better = looking.improved(first, all_answers)
    if better.mapping == first.mapping:
        return
    beside = path.with_name(f"{path.stem}{_PROPOSED}{path.suffix}")
    save_mapping(beside, better.mapping, looking.contract)
    say("Proposed answers:")
    for line in filter(None, (told(one.proposal) for one in first.judgement.findings if one.proposal)):
        say(f"- {line}")
    say(f"They are in {beside}, to be reviewed; with them the verdict would be: {better.judgement.verdict}.")
    say(f"To use them: review that file and rename it to {path}; --yes takes those whose evidence is strong.")


def _ask(question: str, choices: Sequence[str], default: str) -> str:
    say(f"\n{question}")
    for number, choice in enumerate(choices, start=1):
        say(f"  {number}  {choice}" + ("  (Enter)" if choice == default else ""))
    start = str(choices.index(default) + 1) if default in choices else None
    while True:
        answer = str(typer.prompt("Number", default=start, show_default=False)).strip()
        if answer.isdecimal() and 1 <= int(answer) <= len(choices):
            return choices[int(answer) - 1]
        if answer in choices:
            return answer
        say(f"A number from 1 to {len(choices)}, please.")


def _show(looking: Looking, first: Look, last: Look) -> None:
    from fedward_client.importer.preflight.report import print_report

    print_report(last.profile, last.judgement, looking.contract, looking.site)
    if last.mapping != first.mapping:
        before, after = first.profile.cohort, last.profile.cohort
        say(f"With the answers {after.accepted} of {after.rows} rows fit, where {before.accepted} did before.")


def _page_path(out: Path | None, home: SiteHome, study: str) -> Path:
    if out is not None:
        return out
    if not home.site_toml.exists():
        return Path(f"preflight-{study}.html")
    folder = home.reports / "preflight"
    return folder / f"{study}.html"


def _write_page(looking: Looking, last: Look, study: Study, path: Path) -> Path:
    from fedward_client.importer.preflight.page import report_page

    terms = last.mapping.source
    name = terms.path.name if terms and terms.path else "a database"
    made = f"{name}, {datetime.fromtimestamp(time.time(), UTC):%Y-%m-%d %H:%M} UTC"
    page = report_page(last.profile, last.judgement, looking.contract, looking.site, title=study.title, made=made)
    _write_report(path, page)
    return path


def _write_report(path: Path, page: str) -> None:
    from fedward_shared.errors import UsageError
    from fedward_shared.files import write_atomic

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(path, page.encode())
    except OSError as error:
        raise UsageError(
            f"cannot write the report {path}: {error.strerror}", hint="Is the disk full? Name another place with --out."
        ) from error
