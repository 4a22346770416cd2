"""What the cells of single columns say: units, decimal signs, spellings, ranges, emptiness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from fedward_client.importer.checking.answers import watched_number
from fedward_client.importer.checking.checked import Counts
from fedward_client.importer.mapping import Mapping as SiteMapping
from fedward_client.importer.preflight.findings import Defect, Finding, Kind, Proposal, Severity
from fedward_client.importer.preflight.follow_up_judged import follow_up_findings
from fedward_client.importer.preflight.profile import CategoryFacts, NumberFacts, Profile, Unknown
from fedward_client.importer.preflight.spellings import MISSING, guess_spelling
from fedward_client.importer.preflight.units_guess import UnitGuess, guess_unit
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, NumberColumn

__all__ = ["cell_findings"]

_NOTED = 0.01
_MANY = 0.05
_MOST_COMMAS = 0.5
_EMPTY = 0.95
_FEWEST_CODES = 3
_MOST_CODES = 0.5


def cell_findings(profile: Profile, contract: DataContract, mapping: SiteMapping) -> Iterator[Finding]:
    """Findings about each column on its own; the decimal sign, which is one for all, first."""
    declared = {column.name: column for column in contract.columns}
    commas = _decimal(profile, mapping)
    if commas:
        yield commas
    for facts in profile.numbers:
        column = declared[facts.name]
        if isinstance(column, NumberColumn):
            confirmed = mapping.answer(facts.name).unit == column.unit != ""
            yield from _number(facts, column, decimal_told=commas is not None, confirmed=confirmed)
    for listed in profile.categories:
        column = declared[listed.name]
        if isinstance(column, CategoryColumn):
            known = {**{value: value for value in column.values}, **dict(column.synonyms)}
            yield from _unknown(listed, known, may_miss=not column.required)
            yield from _empty(listed.name, listed.counts)
    if profile.follow_up and contract.label.follow_up:
        watched = watched_number(contract.label.follow_up)
        # no range from above, and no unit to guess: who is watched for long is no mistake
        bare = replace(profile.follow_up, trials=())
        yield from _number(bare, watched, decimal_told=commas is not None, confirmed=True)
        yield from follow_up_findings(profile.follow_up, confirmed=bool(mapping.answer(watched.name).unit))
    if profile.label:
        yield from _unknown(profile.label.cells, _class_spellings(contract))
    if profile.split:
        yield from _unknown(profile.split, {side: side for side in profile.split.values})


def _decimal(profile: Profile, mapping: SiteMapping) -> Finding | None:
    """One finding for the whole source: numbers become readable with the other decimal sign."""
    hit = [facts for facts in profile.measured if facts.other_decimal >= _MOST_COMMAS * facts.not_a_number > 0]
    if not hit:
        return None
    cells = sum(facts.other_decimal for facts in hit)
    grouped = sum(facts.grouped for facts in hit)
    other = "." if mapping.decimal == "," else ","
    sign = "a decimal comma" if other == "," else "a decimal point"
    names = ", ".join(facts.name for facts in hit)
    doubt = " Three digits follow it in most: is it a thousands separator?" if grouped > cells / 2 else ""
    broken = [facts.name for facts in profile.measured if facts.signed]
    if broken:  # the sign is one for the whole source, so another one would only move the trouble
        return Finding(
            _weight(cells, sum(facts.counts.valid + facts.counts.wrong for facts in hit)),
            Defect.DECIMAL_SIGN,
            "",
            f"{cells} cells of {names} would be numbers with {sign}; {', '.join(broken)} use the other sign.{doubt}",
            "Export all columns with the same decimal sign and no separators; a mapping cannot say both.",
        )
    return Finding(
        _weight(cells, sum(facts.counts.valid + facts.counts.wrong for facts in hit)),
        Defect.DECIMAL_SIGN,
        "",
        f"{cells} cells of {names} would be numbers with {sign}.{doubt}",
        f'Say decimal = "{other}" in the mapping.',
        Proposal(Kind.DECIMAL, "", decimal=other, strong=not doubt, choices=(",", ".")),
    )


def _number(facts: NumberFacts, column: NumberColumn, *, decimal_told: bool, confirmed: bool) -> Iterator[Finding]:
    """Findings about one number column; `confirmed` where the mapping says that it has the contract's unit."""
    late = facts.counts.outside_window > facts.counts.valid
    if facts.thousands:
        yield _thousands(facts)
    guess = None if late or facts.thousands else guess_unit(facts, column)
    if guess:
        yield _unit(facts, guess, confirmed=confirmed)
    cells = facts.counts.valid + facts.counts.wrong
    beyond = 0 if guess else facts.out_of_range + facts.counts.beyond_range
    codes = [code for code in facts.codes if code.cells >= _FEWEST_CODES and not (guess and _is_number(code))]
    coded = sum(code.cells for code in codes if _is_number(code))
    if codes:
        sure = not column.required and coded >= _MOST_CODES * beyond
        yield _codes(facts, codes, cells, sure=sure)
    told = sum(code.cells for code in codes if not _is_number(code)) + (facts.other_decimal if decimal_told else 0)
    if facts.not_a_number > told:
        yield _not_numbers(facts, facts.not_a_number - told, cells)
    if beyond > coded:
        yield _out_of_range(facts, beyond - coded, cells)
    yield from _empty(facts.name, facts.counts)


def _thousands(facts: NumberFacts) -> Finding:
    return Finding(
        Severity.WRONG,
        Defect.THOUSANDS,
        facts.name,
        f"{facts.thousands} cells of {facts.name} have exactly three digits after the sign that is read as the decimal "
        "one, and are about a thousand times smaller than the other values: is it a thousands separator?",
        "Settle this before an import, which would take them as decimals: export numbers without thousands separators.",
    )


def _codes(facts: NumberFacts, codes: Sequence[Unknown], cells: int, *, sure: bool) -> Finding:
    count = sum(code.cells for code in codes)
    said = ", ".join(code.text or "nothing" for code in codes)
    return Finding(
        _weight(count, cells),
        Defect.MISSING_CODES,
        facts.name,
        f"{count} cells of {facts.name} ({count / max(cells, 1):.0%}) say {said}, which usually means: not measured",
        f"If it does: name it in missing under [columns.{facts.name}] in the mapping. Where the study requires a "
        "value, such rows stay out.",
        Proposal(Kind.SPELLINGS, facts.name, missing=tuple(code.text for code in codes), strong=sure),
    )


def _is_number(code: Unknown) -> bool:
    return code.text.removeprefix("-").isdecimal()


def _unit(facts: NumberFacts, guess: UnitGuess, *, confirmed: bool) -> Finding:
    said = facts.unit_here or "the contract's unit"
    if guess.shifted:
        times = guess.unit.removeprefix("× ")
        part = f"{guess.part:.0%} of the values of" if guess.mixed else "the values of"
        return Finding(
            Severity.WRONG,
            Defect.SHIFTED_DIGITS,
            facts.name,
            f"{part} {facts.name} look {times} times as large as they should be",
            "Was a decimal sign lost on the way, or is it another column? The source must be corrected.",
        )
    if guess.mixed:
        return Finding(
            Severity.WRONG,
            Defect.MIXED_UNITS,
            facts.name,
            f"{facts.name} seems to hold two units: {guess.part:.0%} of its values fit only if they are in "
            f"{guess.unit}, the others as {said}",
            "Does the source say which value has which unit (another column, another laboratory)? Convert them there.",
        )
    said = f"the mapping says {facts.unit_here}"
    if confirmed:
        said = f"the mapping confirms {facts.unit}"
    elif facts.unit_here == facts.unit:
        said = f"the contract says {facts.unit}"
    proposal = Proposal(Kind.UNIT, facts.name, unit=guess.unit, strong=guess.strong, choices=_units(facts, guess.unit))
    return Finding(
        Severity.LOOK if confirmed else Severity.WRONG,
        Defect.WRONG_UNIT,
        facts.name,
        f"{facts.name} looks like {guess.unit}; {said}",
        f'If it is: unit = "{guess.unit}" under [columns.{facts.name}] in the mapping; the import then converts it.',
        None if confirmed else proposal,
    )


def _units(facts: NumberFacts, first: str) -> tuple[str, ...]:
    others = (trial.unit for trial in facts.trials if not trial.unit.startswith("×"))
    return tuple(dict.fromkeys((first, facts.unit_here, *others)))


def _not_numbers(facts: NumberFacts, count: int, cells: int) -> Finding:
    looks = []
    if facts.censored:
        looks.append(f"{facts.censored} begin with < or > (beyond what the laboratory measures)")
    if facts.with_text:
        looks.append(f"{facts.with_text} are a number with text after it")
    advice = "Export bare numbers"
    if facts.censored:
        advice += "; for < and > the limit itself is usual"
    return Finding(
        _weight(count, cells),
        Defect.NOT_NUMBERS,
        facts.name,
        f"{count} cells of {facts.name} ({count / max(cells, 1):.0%}) are no numbers" + _listed(looks),
        f"{advice}. If they say that nothing was measured, name them in missing under [columns.{facts.name}].",
    )


def _listed(looks: list[str]) -> str:
    return f": {', '.join(looks)}" if looks else ""


def _out_of_range(facts: NumberFacts, beyond: int, cells: int) -> Finding:
    return Finding(
        _weight(beyond, cells),
        Defect.OUT_OF_RANGE,
        facts.name,
        f"{beyond} values of {facts.name} ({beyond / max(cells, 1):.1%}) are outside {facts.minimum:g} to "
        f"{facts.maximum:g} {facts.unit}".rstrip()
        + f" ({facts.below} below, {facts.above} above)",
        "Look at those rows in the source (the quarantine list names them): typing errors, another unit, or a code for "
        "missing?",
    )


def _unknown(facts: CategoryFacts, known: Mapping[str, str], *, may_miss: bool = False) -> Iterator[Finding]:
    """Spellings that `known` does not have; `may_miss` where a value may be absent."""
    if not facts.unknown_cells:
        return
    cells = facts.counts.valid + facts.counts.wrong or sum(facts.shares) + facts.unknown_cells
    guesses = {unknown.text: guess for unknown in facts.unknown if (guess := guess_spelling(unknown.text, known))}
    if not may_miss:
        guesses = {text: guess for text, guess in guesses.items() if guess.value != MISSING}
    some = len(guesses)
    distinct = f"{facts.unknown_distinct} unknown spellings" if facts.unknown_distinct > 1 else "one unknown spelling"
    proposal = Proposal(
        Kind.SPELLINGS,
        facts.name,
        values=MappingProxyType({text: guess.value for text, guess in guesses.items() if guess.value != MISSING}),
        missing=tuple(text for text, guess in guesses.items() if guess.value == MISSING),
        strong=any(guess.strong for guess in guesses.values()),
        unsure=frozenset(text for text, guess in guesses.items() if not guess.strong),
    )
    close = f"; {some} of them {'are' if some > 1 else 'is'} close to an allowed value" if some else ""
    yield Finding(
        _weight(facts.unknown_cells, cells),
        Defect.SPELLINGS,
        facts.name,
        f"{facts.unknown_cells} cells of {facts.name} ({facts.unknown_cells / max(cells, 1):.0%}) hold {distinct}"
        + close,
        f"Say what they stand for under [columns.{facts.name}] values in the mapping, or name them in missing. "
        "Preflight asks on a terminal.",
        proposal if facts.unknown else None,
    )


def _class_spellings(contract: DataContract) -> dict[str, str]:
    """Every spelling of a class, and its name, to the first spelling, which is what a mapping writes."""
    pairs = list(zip(contract.label.classes, contract.label.names, strict=True))
    names = {name: texts[0] for texts, name in pairs}
    return {**names, **{text: texts[0] for texts, _ in pairs for text in texts}}


def _empty(name: str, counts: Counts) -> Iterator[Finding]:
    cells = counts.valid + counts.missing + counts.wrong
    empty = counts.missing - counts.outside_window - counts.beyond_range
    if cells and empty >= _EMPTY * cells:
        yield Finding(
            Severity.LOOK,
            Defect.EMPTY_COLUMN,
            name,
            f"{empty / cells:.0%} of {name} is missing",
            "Is it the right column? If this hospital does not measure it, tell the study's contact.",
        )


def _weight(count: int, cells: int) -> Severity:
    """By how much of a column is concerned."""
    share = count / max(cells, 1)
    return Severity.WRONG if share > _MANY else Severity.LOOK if share > _NOTED else Severity.NOTE
