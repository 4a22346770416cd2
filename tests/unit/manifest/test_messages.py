"""Golden messages: each mistake, and exactly what its author is told."""

from __future__ import annotations

import pytest

from fedward_shared.errors import StudyFileError
from fedward_shared.manifest.resolve import load_draft
from tests.support.samples import TWO_SITES

Changes = tuple[tuple[str, str], ...]

MISTAKES: tuple[tuple[str, Changes, tuple[str, ...]], ...] = (
    (
        "negative clip norm",
        (("clip_norm = 1.0", "clip_norm = -1"),),
        ("[privacy] clip_norm (line 70): is -1; must be a number above 0",),
    ),
    (
        "zero clip norm",
        (("clip_norm = 1.0", "clip_norm = 0"),),
        ("[privacy] clip_norm (line 70): is 0; must be a number above 0",),
    ),
    (
        "text for a number",
        (("clip_norm = 1.0", 'clip_norm = "1.0"'),),
        ('[privacy] clip_norm (line 70): is "1.0"; must be a number above 0',),
    ),
    (
        "true for a number",
        (("clip_norm = 1.0", "clip_norm = true"),),
        ("[privacy] clip_norm (line 70): is true; must be a number above 0",),
    ),
    (
        "nan",
        (("clip_norm = 1.0", "clip_norm = nan"),),
        ("[privacy] clip_norm (line 70): is nan; must be a number above 0",),
    ),
    (
        "infinity",
        (("learning_rate = 0.5", "learning_rate = inf"),),
        ("[training] learning_rate (line 53): is inf; must be a number above 0",),
    ),
    (
        "misspelt key",
        (("clip_norm = 1.0", "clip_norm = 1.0\nclipnorm = 1.0"),),
        ("[privacy] clipnorm (line 71): is not known here; did you mean clip_norm?",),
    ),
    (
        "unknown key",
        (("clip_norm = 1.0", "clip_norm = 1.0\nxyz = 1.0"),),
        (
            (
                "[privacy] xyz (line 71): is not known here; known here: clip_norm, delta, target_epsilon, "
                "noise_multiplier, unsafe_no_privacy"
            ),
        ),
    ),
    (
        "key missing",
        (("delta = 1e-5\n", ""),),
        ("[privacy] delta (line 69): is missing; must be a number above 0 and below 1, such as 1e-5",),
    ),
    (
        "delta of one",
        (("delta = 1e-5", "delta = 1"),),
        ("[privacy] delta (line 71): is 1; must be a number above 0 and below 1, such as 1e-5",),
    ),
    (
        "both noise and epsilon",
        (("target_epsilon = 3.0", "target_epsilon = 3.0\nnoise_multiplier = 1.1"),),
        ("[privacy] noise_multiplier (line 73): is given beside target_epsilon; keep one of the two",),
    ),
    (
        "neither noise nor epsilon",
        (("target_epsilon = 3.0\n", ""),),
        (
            (
                "[privacy] (line 69): target_epsilon is missing; must be a number such as 3.0 (or give "
                "noise_multiplier instead)"
            ),
        ),
    ),
    (
        "epsilon without privacy",
        (("unsafe_no_privacy = false", "unsafe_no_privacy = true"),),
        (("[privacy] target_epsilon (line 72): is given, but unsafe_no_privacy is true; keep one of the two"),),
    ),
    (
        "text for true",
        (("unsafe_no_privacy = false", 'unsafe_no_privacy = "no"'),),
        ('[privacy] unsafe_no_privacy (line 73): is "no"; must be true or false',),
    ),
    (
        "table missing",
        (("[limits]\nmax_weight = 100.0\n", ""),),
        ("[limits]: the table is missing; it holds max_weight",),
    ),
    (
        "table misspelt",
        (("[limits]", "[limit]"),),
        (
            "[limits]: the table is missing; it holds max_weight",
            "[limit] (line 75): is not a table of a study; did you mean limits?",
        ),
    ),
    (
        "table in the wrong shape",
        (("[limits]\nmax_weight = 100.0\n", "[[limits]]\nmax_weight = 100.0\n"),),
        ("[limits] (line 75): is a list of tables; must be a table",),
    ),
    (
        "quorum above sites",
        (("quorum = 2", "quorum = 3"),),
        ("[strategy] quorum (line 62): is 3; must be at most 2, the number of sites",),
    ),
    (
        "quorum of zero",
        (("quorum = 2", "quorum = 0"),),
        (("[strategy] quorum (line 62): is 0; must be a whole number from 1: how many sites a round needs"),),
    ),
    (
        "quorum as a fraction",
        (("quorum = 2", "quorum = 1.5"),),
        (("[strategy] quorum (line 62): is 1.5; must be a whole number from 1: how many sites a round needs"),),
    ),
    (
        "average over too many",
        (("average_last = 1", "average_last = 4"),),
        ("[strategy] average_last (line 65): is 4; must be at most 3, the rounds",),
    ),
    (
        "no rounds",
        (("rounds = 3", "rounds = 0"),),
        ("[strategy] rounds (line 61): is 0; must be a whole number from 1",),
    ),
    (
        "too many steps",
        (
            ("local_steps = 2", "local_steps = 1000000"),
            ("rounds = 3", "rounds = 30"),
        ),
        ("[training] local_steps (line 52): makes 31000000 steps in all; must be at most 10000000",),
    ),
    (
        "overshoot",
        (("proximal_mu = 0.0", "proximal_mu = 5.0"),),
        (
            (
                "[training] learning_rate (line 53): times (proximal_mu + weight_decay) is 2.5; must be below "
                "2, or each step overshoots"
            ),
        ),
    ),
    (
        "momentum of one",
        (("momentum = 0.0", "momentum = 1.0"),),
        ("[training] momentum (line 54): is 1.0; must be a number from 0 and below 1",),
    ),
    (
        "unknown strategy",
        (('name = "fedavg"', 'name = "fedavgn"'),),
        ('[strategy] name (line 60): is "fedavgn"; did you mean fedavg?',),
    ),
    (
        "option of another strategy",
        (("[strategy.options]\n", "[strategy.options]\neta = 0.1\n"),),
        ("[strategy.options] eta (line 68): is no option of fedavg; nothing can be set here",),
    ),
    (
        "misspelt option",
        (
            ('name = "fedavg"', 'name = "fedadam"'),
            ("[strategy.options]\n", "[strategy.options]\nbeta1 = 0.1\n"),
        ),
        ("[strategy.options] beta1 (line 68): is no option of fedadam; did you mean beta_1?",),
    ),
    (
        "option out of range",
        (
            ('name = "fedavg"', 'name = "fedadam"'),
            ("[strategy.options]\n", "[strategy.options]\nbeta_1 = 1.0\n"),
        ),
        ("[strategy.options] beta_1 (line 68): is 1.0; must be a number from 0 and below 1",),
    ),
    (
        "option as text",
        (
            ('name = "fedavg"', 'name = "fedavgm"'),
            ("[strategy.options]\n", '[strategy.options]\nserver_momentum = "high"\n'),
        ),
        ('[strategy.options] server_momentum (line 68): is "high"; must be a number from 0 and below 1',),
    ),
    (
        "unknown model",
        (('name = "logistic"', 'name = "logistc"'),),
        ('[model] name (line 10): is "logistc"; did you mean logistic?',),
    ),
    (
        "unknown option of the model",
        (
            ('name = "logistic"', 'name = "mlp"'),
            ("[model.options]\n", "[model.options]\nhiden = [8]\n"),
        ),
        (
            (
                "[model.options] hiden (line 14): the model mlp has no such option; it knows hidden, activation, "
                "normalise, residual, wide, output_scale, embedding, bins, cuts, waves, frequency, trainable, "
                "expected_share"
            ),
        ),
    ),
    (
        "model that does not fit",
        (('name = "logistic"', 'name = "cnn"'),),
        (
            (
                '[model] name (line 10): "cnn" needs arrays of shape [channels, height, width] or '
                "[channels, depth, height, width]"
            ),
        ),
    ),
    (
        "sampling rate of zero",
        (("sampling_rate = 0.5", "sampling_rate = 0.0"),),
        (
            (
                "[sites.south] sampling_rate (line 48): is 0.0; must be a number above 0 and at most 1: a "
                "patient's chance to take part in a step"
            ),
        ),
    ),
    (
        "sampling rate above one",
        (("sampling_rate = 0.5", "sampling_rate = 1.5"),),
        (
            (
                "[sites.south] sampling_rate (line 48): is 1.5; must be a number above 0 and at most 1: a "
                "patient's chance to take part in a step"
            ),
        ),
    ),
    (
        "size as text",
        (("size = 150", 'size = "many"'),),
        (
            (
                '[sites.north] size (line 42): is "many"; must be a whole number from 1: how many training '
                "patients were agreed on"
            ),
        ),
    ),
    (
        "huge size",
        (
            (
                "size = 150",
                (
                    "size = "
                    "10000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
                ),
            ),
        ),
        (
            (
                "[sites.north] size (line 42): is a number with hundreds of digits; must be a whole number from "
                "1: how many training patients were agreed on"
            ),
        ),
    ),
    (
        "site name",
        (("[sites.north]", '[sites."North Clinic"]'),),
        (('[sites."North Clinic"] (line 41): a site\'s name is small letters, digits and hyphens, at most 63'),),
    ),
    (
        "site name with a line end",
        (("[sites.north]", '[sites."north\\n"]'),),
        ('[sites."north\\n"] (line 41): a site\'s name is small letters, digits and hyphens, at most 63',),
    ),
    (
        "no sites",
        (
            (
                (
                    "[sites.north]\nsize = 150\nsampling_rate = 1.0\nnormaliser = 150.0\n\n[sites.south]\nsize = "
                    "100\nsampling_rate = 0.5\nnormaliser = 50.0\n"
                ),
                "[sites]\n",
            ),
        ),
        ("[sites] (line 41): has 0 sites; must have 1 to 1000",),
    ),
    (
        "range turned round",
        (("range = [18, 110]", "range = [110, 18]"),),
        ("[data.columns.age] range (line 29): is [110, 18]; the first must be the smaller one",),
    ),
    (
        "range of one number",
        (("range = [18, 110]", "range = [18]"),),
        (
            (
                "[data.columns.age] range (line 29): is a list of 1; must be two numbers, the smallest and the "
                "largest that are possible"
            ),
        ),
    ),
    (
        "scale of zero",
        (("scale = 9", "scale = 0"),),
        ("[data.columns.age] scale (line 31): is 0; must be a number above 0: values are divided by it",),
    ),
    (
        "inputs too large",
        (("scale = 9", "scale = 1e-300"),),
        (
            (
                "[data.columns.age] scale (line 31): is 1e-300; makes inputs as large as 5.6e+301; must keep "
                "them below 1e+06"
            ),
        ),
    ),
    (
        "unit missing",
        (('unit = "years"\n', ""),),
        (
            (
                '[data.columns.age] unit (line 26): is missing; must be the unit as text, such as "years" ("" '
                "where there is none)"
            ),
        ),
    ),
    (
        "missing code within range",
        (('missing = ["", "NaN"]\nmissing_indicator', 'missing = ["", "99"]\nmissing_indicator'),),
        (
            (
                '[data.columns.age] missing (line 32): contains "99", which lies in range; narrow the range or '
                "drop the spelling"
            ),
        ),
    ),
    (
        "missing code twice",
        (('missing = ["", "NaN"]\nmissing_indicator', 'missing = ["-9", "-9.0"]\nmissing_indicator'),),
        (('[data.columns.age] missing (line 32): contains "-9.0" twice (2 and 2.0 are the same); keep one'),),
    ),
    (
        "value also missing code",
        (('values = ["1", "2", "3", "4"]\nmissing = ["", "NaN"]', 'values = ["1", "2", "3", "4"]\nmissing = ["4.0"]'),),
        (('[data.columns.chest_pain] missing (line 39): contains "4", which is also in values; keep one of the two'),),
    ),
    (
        "value twice",
        (('values = ["1", "2", "3", "4"]', 'values = ["1", "1.0"]'),),
        (('[data.columns.chest_pain] values (line 38): contains "1.0" twice (2 and 2.0 are the same); keep one'),),
    ),
    (
        "value as number",
        (('values = ["1", "2", "3", "4"]', 'values = ["1", 2]'),),
        (
            (
                "[data.columns.chest_pain] values[1] (line 38): is 2; must be the closed list of values as "
                'texts, such as ["m", "f"]'
            ),
        ),
    ),
    (
        "value with blanks",
        (('values = ["1", "2", "3", "4"]', 'values = ["1 ", "2"]'),),
        (
            (
                '[data.columns.chest_pain] values (line 38): contains "1 "; leave out the blanks around it '
                "(cells are trimmed)"
            ),
        ),
    ),
    (
        "column type",
        (('type = "category"', 'type = "text"'),),
        ('[data.columns.chest_pain] type (line 37): is "text"; must be "number" or "category"',),
    ),
    (
        "classes overlap",
        (('classes = [["0"], ["1"]]', 'classes = [["0"], ["1", "0.0"]]'),),
        (('[data.label] classes[1] (line 23): contains "0.0", which already is in another class; keep one'),),
    ),
    (
        "one class",
        (('classes = [["0"], ["1"]]', 'classes = [["0"]]'),),
        (
            (
                "[data.label] classes (line 23): is a list of 1; must be a list of spellings for each class, "
                'two classes at least, such as [["0"], ["1", "2"]]'
            ),
        ),
    ),
    (
        "spelling as number",
        (('classes = [["0"], ["1"]]', "classes = [[0], [1]]"),),
        (
            (
                "[data.label] classes[0][0] (line 23): is 0; must be a list of spellings for each class, two "
                'classes at least, such as [["0"], ["1", "2"]]'
            ),
            (
                "[data.label] classes[1][0] (line 23): is 1; must be a list of spellings for each class, two "
                'classes at least, such as [["0"], ["1", "2"]]'
            ),
        ),
    ),
    (
        "names too few",
        (('names = ["no disease", "disease"]', 'names = ["disease"]'),),
        ("[data.label] names (line 24): has 1 entries; must have 2, one a class",),
    ),
    (
        "names alike",
        (('names = ["no disease", "disease"]', 'names = ["disease", "disease"]'),),
        ("[data.label] names (line 24): has an entry twice; each class needs its own name",),
    ),
    (
        "label is an input",
        (('column = "disease"', 'column = "age"'),),
        (('[data.label] column (line 22): is "age", which is also in [data.columns]; the model must not see it'),),
    ),
    (
        "split is the label",
        (('split = "split"', 'split = "disease"'),),
        ('[data] split (line 18): is "disease", which is also the label; each needs its own column',),
    ),
    (
        "patient is an input",
        (('patient = "patient_id"', 'patient = "chest_pain"'),),
        (('[data] patient (line 17): is "chest_pain", which is also in [data.columns]; the model must not see it'),),
    ),
    (
        "records without patients",
        (
            ('patient = "patient_id"\n', ""),
            ("records_per_patient = 1", "records_per_patient = 3"),
        ),
        (("[data] records_per_patient (line 18): is above 1, but no patient column is declared; add patient"),),
    ),
    (
        "shape for a table",
        (('kind = "table"', 'kind = "table"\nshape = [3]'),),
        ('[data] shape (line 17): is only for kind = "tensor"; leave it out',),
    ),
    (
        "tensor without shape",
        (('kind = "table"', 'kind = "tensor"'),),
        (
            '[data.columns] (line 15): is only for kind = "table"; leave it out',
            '[data] (line 15): shape is missing; kind = "tensor" needs it, such as [1, 28, 28]',
        ),
    ),
    (
        "unknown kind",
        (('kind = "table"', 'kind = "tabel"'),),
        (('[data] kind (line 16): is "tabel"; must be "table" (rows of a table) or "tensor" (images, series)'),),
    ),
    (
        "escape sequence in the title",
        (('title = "Coronary', 'title = "\\u001b[31mCoronary'),),
        (
            (
                '[study] title (line 3): is "\\x1b[31mCoronary heart disease from routine findings"; must be one '
                "line of text (at most 200 characters), in quotes"
            ),
        ),
    ),
    (
        "title as a number",
        (('title = "Coronary heart disease from routine findings"', "title = 2024-01-01"),),
        (("[study] title (line 3): is 2024-01-01; must be one line of text (at most 200 characters), in quotes"),),
    ),
    (
        "study name",
        (('name = "heart-disease"', 'name = "Heart Disease"'),),
        (
            (
                '[study] name (line 2): is "Heart Disease"; must be a short name of small letters, digits and '
                "hyphens (at most 63), in quotes"
            ),
        ),
    ),
    (
        "another code version",
        (('code_version = "0.1.0"', 'code_version = "9.9.9"'),),
        ('[study] code_version (line 7): is "9.9.9"; must be "0.1.0" here, or left out',),
    ),
    (
        "another protocol",
        (("protocol = 1", "protocol = 7"),),
        ("[study] protocol (line 6): is 7; must be 1 here, or left out",),
    ),
    (
        "key twice",
        (("delta = 1e-5", "delta = 1e-5\ndelta = 1e-6"),),
        ("[privacy] delta (line 72): was already given on line 71; keep one of the two",),
    ),
    (
        "table twice",
        (("[limits]", "[privacy]\nx = 1\n[limits]"),),
        ("[privacy] (line 75): was already given on line 69; keep one of the two",),
    ),
    (
        "no quotes",
        (('kind = "table"', "kind = table"),),
        ("line 16, column 8: Invalid value in: 'kind = table'",),
    ),
    (
        "capital true",
        (("deterministic = false", "deterministic = False"),),
        ("line 57, column 17: Invalid value in: 'deterministic = False'",),
    ),
    (
        "unknown optimizer",
        (("deterministic = false", 'deterministic = false\noptimizer = "lion"'),),
        ('[training] optimizer (line 58): is "lion"; must be "sgd", "adam" or "adamw"',),
    ),
    (
        "momentum beside adam",
        (("momentum = 0.0", "momentum = 0.9"), ("deterministic = false", 'deterministic = false\noptimizer = "adam"')),
        ('[training] momentum (line 54): is only for optimizer = "sgd"; adam has betas',),
    ),
    (
        "runaway betas",
        (("deterministic = false", 'deterministic = false\noptimizer = "adam"\nbetas = [0.9, 0.5]'),),
        (
            (
                "[training] betas (line 59): is [0.9, 0.5]; "
                "the second must be above the first's square, or steps grow without bound"
            ),
        ),
    ),
    (
        "unknown way within a patient",
        (("deterministic = false", 'deterministic = false\nwithin_patient = "median"'),),
        ('[training] within_patient (line 58): is "median"; must be "mean" or "sum"',),
    ),
    (
        "unclosed list",
        (("range = [18, 110]", "range = [18, 110"),),
        ("line 30, column 1: Unclosed array in: 'centre = 54'",),
    ),
    (
        "small update norm",
        (("max_weight = 100.0", "max_weight = 100.0\nmax_update_norm = -1"),),
        (("[limits] max_update_norm (line 77): is -1; must be a number above 0; leave it out to have it worked out"),),
    ),
)


@pytest.mark.parametrize(("changes", "told"), [pytest.param(*rest, id=name) for name, *rest in MISTAKES])
def test_a_mistake_is_told_with_table_key_line_and_what_would_be_right(changes: Changes, told: tuple[str, ...]) -> None:
    text = TWO_SITES
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)

    with pytest.raises(StudyFileError) as failure:
        load_draft(text.encode())

    assert failure.value.problems == told
    assert failure.value.exit_code == 2


def test_there_are_at_least_forty_kinds_of_mistakes() -> None:
    assert len({name for name, _, _ in MISTAKES}) >= 40


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = TWO_SITES
    for old, new in (("clip_norm = 1.0", "clip_norm = -1"), ("seed = 0", "seed = -1"), ("quorum = 2", "quorum = true")):
        text = text.replace(old, new, 1)

    with pytest.raises(StudyFileError) as failure:
        load_draft(text.encode())

    assert [problem.split(":")[0] for problem in failure.value.problems] == [
        "[model] seed (line 11)",
        "[strategy] quorum (line 62)",
        "[privacy] clip_norm (line 70)",
    ]
    assert "3 mistakes" in failure.value.diagnostics()


def test_a_message_never_repeats_control_characters_to_the_terminal() -> None:
    text = TWO_SITES.replace("[limits]", '["\\u001b[31mlimits"]').replace('"fedavg"', '"\\u001b]0;x\\u0007"')

    with pytest.raises(StudyFileError) as failure:
        load_draft(text.encode())

    assert failure.value.diagnostics().replace("\n", "").isprintable()
