"""`fedward-sim`: studies on one machine, without a network, keys to keep, or anybody's privacy budget."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fedward_shared.command_line import command_line
from fedward_shared.console import next_step, run_command, say
from fedward_shared.contracts.study import LARGEST_MANIFEST

__all__ = ["app", "main"]

_STUDY = "study.toml"
_FEWEST_SHADOWS = 4

_StartOption = Annotated[
    Path | None, typer.Option("--start", help="The weights that the study starts from, where it has a \\[model.start].")
]
_BackbonesOption = Annotated[
    Path | None,
    typer.Option("--backbones", help="A folder with weights of frozen networks, SHA256.safetensors each."),
]

app = command_line(
    "fedward-sim",
    "Try a study on one machine, before any hospital is asked. "
    "UNSAFE with real patients' data: its randomness is seeded. Start with: fedward-sim scenario heart",
)


@app.command()
def scenario(
    name: Annotated[str, typer.Argument(help="heart: four real hospitals, 920 patients.")],
    out: Annotated[Path, typer.Option("--out", help="The folder to write.")] = Path("heart"),
) -> None:
    """Write a study and every site's data, ready to run. Begin here."""
    from fedward_client.importer.importing import import_here
    from fedward_client.importer.order import ImportOrder
    from fedward_shared.errors import UsageError
    from fedward_simulations.importing import import_into
    from fedward_simulations.scenarios.heart import study_text, write_hospitals

    if name != "heart":
        raise UsageError(f"there is no scenario {name!r}", hint="There is: heart")
    out.mkdir(parents=True, exist_ok=True)
    study = out / _STUDY
    study.write_text(study_text(), encoding="utf-8")
    for site, file in write_hospitals(out / "csv").items():
        order = ImportOrder.of_file(file, study.read_bytes(), site)
        report = import_into(out / "data", site, partial(import_here, order))
        say(f"{site}: {report.accepted} rows fit the contract, {report.rejected} were rejected")
    next_step(f"fedward-sim run {study} --data {out / 'data'}")


@app.command(name="import")
def import_file(
    source: Annotated[
        str, typer.Argument(help="A file or folder; left out: the mapping's \\[source].", show_default=False)
    ] = "",
    *,
    contract: Annotated[Path, typer.Option("--contract", help="The study file that says what fits.")],
    site: Annotated[str, typer.Option("--site", help="The site of the study that these rows play.")],
    mapping: Annotated[
        Path | None, typer.Option("--mapping", help="mapping.toml: how the data say what the study asks.")
    ] = None,
    data: Annotated[Path, typer.Option("--data", help="The folder that holds one import a site.")] = Path("data"),
    max_rejected: Annotated[
        float, typer.Option("--max-rejected", help="The largest share of rows that may be rejected.")
    ] = 0.2,
) -> None:
    """Check a source against the study's data contract and keep what fits as one simulated site.

    UNSAFE with files from strangers: they are read in this process, without a hospital's confinement.
    """
    from fedward_client.cli.import_order import order_of
    from fedward_client.importer.importing import import_here
    from fedward_client.importer.order import Limits
    from fedward_shared.files import read_limited
    from fedward_simulations.importing import check_site, import_into

    check_site(read_limited(contract, LARGEST_MANIFEST), site)
    order = order_of(
        source, contract, site, mapping=mapping, separator="", limits=Limits(max_rejected=max_rejected), dry_run=False
    )
    try:
        report = import_into(data, site, partial(import_here, order))
    except KeyboardInterrupt:
        before = (data / site / "import.json").exists()
        say(f"stopped. {f'The earlier import in {data / site} is as it was' if before else 'Nothing was kept'}.")
        raise
    say(f"{site}: {report.accepted} rows fit the contract, {report.rejected} were rejected")
    next_step(f"fedward-sim run {contract} --data {data}", "once every site of the study has data")


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="The study file; it need not be published.")],
    *,
    data: Annotated[Path, typer.Option("--data", help="A folder with one imported set a site: DATA/SITE/import.json")],
    out: Annotated[
        Path, typer.Option("--out", help="The folder for result.json, the model, and every site's own report.")
    ] = Path("simulation"),
    seed: Annotated[int, typer.Option("--seed", help="UNSAFE: all randomness follows from it.")] = 0,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Run with this many seeds, from --seed on.")] = 1,
    start: _StartOption = None,
    backbones: _BackbonesOption = None,
) -> None:
    """Run a study over imported data with the real code of coordinator and sites, in this one process.

    UNSAFE: the noise follows from the seed, so results protect nobody. No site's ledger is touched.
    """
    from fedward_shared.files import read_limited
    from fedward_simulations.model_files import ModelFiles
    from fedward_simulations.simulate import Request, simulate

    manifest = read_limited(study, LARGEST_MANIFEST)
    simulate(Request(manifest, data, out, tuple(range(seed, seed + seeds)), ModelFiles(start, backbones)))
    next_step(f"fedward-sim compare {study} --data {data}", "beside each hospital alone, other methods and other ε")


@app.command()
def compare(
    study: Annotated[Path, typer.Argument(help="The study file; it need not be published.")],
    *,
    data: Annotated[Path, typer.Option("--data", help="A folder with one imported set a site: DATA/SITE/import.json")],
    out: Annotated[Path, typer.Option("--out", help="The folder for result.json, report.html and the model.")] = Path(
        "comparison"
    ),
    methods: Annotated[
        str, typer.Option("--methods", help="What to train, beside each other.")
    ] = "federated,local,centralised,logistic_regression,gradient_boosting,leave_one_out",
    strategies: Annotated[
        str,
        typer.Option("--strategies", help="fedavg,fedprox,fedadam,fedyogi,fedavgm. Default: the study's own."),
    ] = "",
    epsilons: Annotated[
        str,
        typer.Option("--epsilons", help="Such as 1,3,8,inf; inf: no privacy. Default: inf and the study's own."),
    ] = "",
    seed: Annotated[int, typer.Option("--seed", help="UNSAFE: all randomness follows from it.")] = 0,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Run with this many seeds, from --seed on.")] = 5,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="An option of a strategy: fedadam.eta=0.05, fedprox.mu=0.01. Can be repeated."),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=0, help="Processes, one thread each; 0: one a core.")] = 0,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Where finished cells are kept. Default: cells, inside --out.")
    ] = None,
    start: _StartOption = None,
    backbones: _BackbonesOption = None,
) -> None:
    """Train a study in many ways, and judge them on the same test patients: methods, strategies, ε and seeds.

    One grid, cell by cell: what is finished is kept and never trained again, so stop it whenever you like.
    UNSAFE: the noise follows from the seed, so results protect nobody. No site's ledger is touched.
    """
    from fedward_shared.files import read_limited
    from fedward_simulations.grid.command import Request, numbers
    from fedward_simulations.grid.command import compare as run_comparison
    from fedward_simulations.grid.strategies import Overrides
    from fedward_simulations.model_files import ModelFiles

    request = Request(
        manifest=read_limited(study, LARGEST_MANIFEST),
        data=data,
        out=out,
        cache=cache or out / "cells",
        methods=_listed(methods),
        strategies=_listed(strategies),
        epsilons=numbers(epsilons),
        seeds=tuple(range(seed, seed + seeds)),
        jobs=jobs or None,
        overrides=Overrides.read(tuple(option or ())),
        files=ModelFiles(start, backbones),
    )
    run_comparison(request)
    next_step(
        f"fedward-coordinator study publish {study}",
        f"when {out / 'report.html'} convinces you; then hospitals can approve it",
    )


@app.command()
def pretrain(
    study: Annotated[Path, typer.Argument(help="The study file; it need not be published.")],
    *,
    data: Annotated[
        Path, typer.Option("--data", help="PUBLIC or simulated data: an import, or a folder with one import a site.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The file of weights to write.")] = Path("start.safetensors"),
    source: Annotated[str, typer.Option("--source", help="Where the data come from, for \\[model.start].")] = "",
    licence: Annotated[str, typer.Option("--licence", help="Their licence, for \\[model.start].")] = "",
    epochs: Annotated[int, typer.Option("--epochs", min=1, max=10_000, help="Passes over the data.")] = 20,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Records of a minibatch.")] = 64,
    learning_rate: Annotated[float, typer.Option("--learning-rate", min=0, help="Of Adam.")] = 1e-3,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same weights.")] = 0,
    backbones: _BackbonesOption = None,
) -> None:
    """Train the study's model on public or simulated data, WITHOUT privacy, as weights for it to start from.

    UNSAFE with patients' data: nothing is noised, and whoever gets the weights may learn of the patients.
    """
    from rich.console import Console

    from fedward_shared.files import read_limited
    from fedward_simulations.pretrain import Schedule, imports_in, start_table
    from fedward_simulations.pretrain import pretrain as train

    schedule, manifest = Schedule(epochs, batch, learning_rate, seed), read_limited(study, LARGEST_MANIFEST)
    with Console(stderr=True).status("Training, in the open …"):
        made = train(manifest, imports_in(data), out, schedule=schedule, backbones=backbones)
    say(f"Written: {out} ({made.rows} rows{f', AUC {made.auc:.3f} on those held out' if made.auc else ''})")
    say("WITHOUT privacy: give it to nobody, unless the data may be seen by everybody.\n")
    say(start_table(made, source=source or f"fedward-sim pretrain on {data.name}", licence=licence or "not stated"))
    next_step(
        f"fedward-coordinator study publish {study} --start {out}",
        "with the lines above in the study; or fedward-sim run",
    )


@app.command()
def generate(
    kind: Annotated[
        str,
        typer.Argument(
            help="csv, parquet, excel, sql, omop, fhir, dicom, pictures, nifti, wfdb, survival, series or text."
        ),
    ],
    *,
    out: Annotated[Path, typer.Option("--out", help="The folder to write; it must be empty.")] = Path("generated"),
    sites: Annotated[str, typer.Option("--sites", help="The hospitals' names.")] = "north,south",
    patients: Annotated[int, typer.Option("--patients", min=1, help="Patients of each hospital.")] = 400,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same data.")] = 0,
    defect: Annotated[
        list[str] | None,
        typer.Option("--defect", help="Plant something wrong, such as north=wrong-units. Can be repeated."),
    ] = None,
) -> None:
    """Write SYNTHETIC hospitals of one source type, with a study, mappings and the truth about them."""
    from fedward_simulations.generate.command import Request, told_by
    from fedward_simulations.generate.command import generate as write

    names = tuple(name.strip() for name in sites.split(",") if name.strip())
    request = Request(kind, out, names, patients, seed, tuple(defect or ()))
    write(request, told=told_by(request))
    next_step(
        f"fedward-sim import --contract {out / _STUDY} --mapping {out / names[0] / 'mapping.toml'} "
        f"--site {names[0]} --data {out / 'data'}",
        "import each site, then: fedward-sim run",
    )


@app.command()
def audit(
    study: Annotated[Path, typer.Argument(help="The study file; it need not be published.")] = Path("heart") / _STUDY,
    *,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="A folder with one imported set a site. Default: data, beside the study file."),
    ] = None,
    site: Annotated[
        str | None, typer.Option("--site", help="The site whose step is attacked. Default: the study's first.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The folder for result.json and report.html.")] = Path("audit"),
    draws: Annotated[int, typer.Option("--draws", min=100, help="Releases in each world of each game.")] = 1000,
    canaries: Annotated[int, typer.Option("--canaries", min=10, help="Canaries of the one-run audit.")] = 1000,
    shadows: Annotated[
        int, typer.Option("--shadows", min=0, help="Shadow models of the membership attack; 0: leave it out.")
    ] = 16,
    seed: Annotated[int, typer.Option("--seed", help="UNSAFE: all randomness follows from it.")] = 0,
    backbones: _BackbonesOption = None,
) -> None:
    """Attack the study's own private step and see whether it leaks more than it claims. Exit code 1 if it does.

    UNSAFE: the noise follows from the seed, so results protect nobody. No site's ledger is touched.
    """
    from fedward_shared.errors import UsageError
    from fedward_shared.files import read_limited
    from fedward_simulations.audit.command import Request
    from fedward_simulations.audit.command import audit as attack

    if shadows and shadows < _FEWEST_SHADOWS:
        raise UsageError(f"{shadows} shadow models are too few", hint=f"Take {_FEWEST_SHADOWS} or more, or 0 for none.")
    manifest = read_limited(study, LARGEST_MANIFEST)
    attack(Request(manifest, data or study.parent / "data", site, out, draws, canaries, shadows, seed, backbones))
    next_step(
        f"fedward-sim audit {study} --draws {10 * draws}",
        "a closer look; only more draws bring the lower bounds nearer to the claims",
    )


def _listed(written: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in written.split(",") if name.strip())


def main() -> None:
    """The console script."""
    run_command(lambda: app(standalone_mode=True))


if __name__ == "__main__":
    main()
