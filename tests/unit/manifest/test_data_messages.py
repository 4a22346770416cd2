"""Golden messages of `[data]` and `[training.augment]`: each mistake, and exactly what its author is told."""

from __future__ import annotations

import re

import pytest

from fedward_shared.errors import StudyFileError
from fedward_shared.manifest.resolve import load_draft
from fedward_shared.manifest.template import KINDS, template
from tests.support.rich_study import RICH

Changes = tuple[tuple[str, str], ...]

BASES = {"rich": RICH, **{kind: template(kind) for kind in KINDS}}

MISTAKES: tuple[tuple[str, str, Changes, tuple[str, ...]], ...] = (
    (
        "window turned round",
        "rich",
        (("window = [-48, 0]", "window = [0, -48]"),),
        ("[data.columns.glucose] window: is [0, -48]; the first must be the smaller one",),
    ),
    (
        "window of one",
        "rich",
        (("window = [-48, 0]", "window = [0]"),),
        (
            (
                "[data.columns.glucose] window: is a list of 1; must be two numbers, hours from and to, "
                "counted from time zero, such as [-24, 0]"
            ),
        ),
    ),
    (
        "window without time",
        "rich",
        (('time = "asked"\n', ""),),
        (
            (
                "[data.columns.pain] window: says when, but not of what; add time (a column) or codes (of "
                "events), or leave it out"
            ),
        ),
    ),
    (
        "time without window",
        "rich",
        (('time = "asked"\nwindow = [-24, 0]', 'time = "asked"'),),
        ("[data.columns.pain] time: is given without window; add one, such as window = [-24, 0]",),
    ),
    (
        "codes without window",
        "rich",
        (("window = [-48, 0]\n", ""),),
        ("[data.columns.glucose] codes: is given without window; add one, such as window = [-24, 0]",),
    ),
    (
        "time beside codes",
        "rich",
        (('pick = "median"', 'pick = "median"\ntime = "asked"'),),
        ("[data.columns.glucose] codes: is given beside time; keep one: a value is a cell, or made of events",),
    ),
    (
        "pick without codes",
        "rich",
        (('time = "asked"', 'time = "asked"\npick = "last"'),),
        ("[data.columns.pain] pick: is only for values made of events; add codes, or leave it out",),
    ),
    (
        "unknown pick",
        "rich",
        (('"median"', '"middle"'),),
        (
            (
                '[data.columns.glucose] pick: is "middle"; must be "last", "first", "lowest", "highest", '
                '"mean", "median", "count" or "any"'
            ),
        ),
    ),
    (
        "no codes",
        "rich",
        (('codes = ["2345-7", "GLU"]', "codes = []"),),
        (
            (
                "[data.columns.glucose] codes: is a list of 0; must be a list of one or more codes as texts, "
                'such as ["8867-4"]'
            ),
        ),
    ),
    (
        "no time zero",
        "rich",
        (('time_zero = "admitted"\n', ""),),
        (
            "[data.label] time: counts from time zero, which is not declared; add time_zero to [data]",
            "[data.columns.glucose] window: counts from time zero, which is not declared; add time_zero to [data]",
            "[data.columns.pain] window: counts from time zero, which is not declared; add time_zero to [data]",
        ),
    ),
    (
        "no patient",
        "rich",
        (('patient = "patient_id"\n', ""),),
        (
            "[data] encounter: tells a patient's stays apart, but no patient column is declared; add patient",
            "[data.holdout]: holds out patients, but no patient column is declared; add patient",
            "[data.columns.glucose] codes: needs events, which belong to patients; add patient to [data]",
        ),
    ),
    (
        "count out of range",
        "rich",
        (('pick = "median"', 'pick = "count"'),),
        ('[data.columns.glucose] range: is [1, 60]; must hold 0, for patients without an event, with pick = "count"',),
    ),
    (
        "any out of range",
        "rich",
        (('pick = "median"', 'pick = "any"'), ("range = [1, 60]", "range = [0, 0.5]")),
        ('[data.columns.glucose] range: is [0, 0.5]; must hold 0 and 1, with pick = "any"',),
    ),
    (
        "lowest of a category",
        "rich",
        (('time = "asked"\nwindow = [-24, 0]', 'codes = ["P"]\npick = "lowest"\nwindow = [-24, 0]'),),
        ('[data.columns.pain] pick: is "lowest"; must be "last", "first" or "any" for a category',),
    ),
    (
        "any of a category without 0",
        "rich",
        (('time = "asked"\nwindow = [-24, 0]', 'codes = ["P"]\npick = "any"\nwindow = [-24, 0]'),),
        ('[data.columns.pain] values: must contain "0" and "1", with pick = "any"',),
    ),
    (
        "unknown substance",
        "rich",
        (('"glucose"\nrange', '"glucos"\nrange'),),
        ('[data.columns.glucose] substance: is "glucos"; did you mean glucose?',),
    ),
    (
        "fill out of range",
        "rich",
        (("fill = 50", "fill = 5"),),
        ("[data.columns.age] fill: is 5; must lie within [18, 110], the range",),
    ),
    (
        "fill beside required",
        "rich",
        (("fill = 50", "fill = 50\nrequired = true"),),
        ("[data.columns.age] fill: is never used, because rows without a value are refused; drop fill or required",),
    ),
    (
        "fill is no value",
        "rich",
        (('fill = "4"', 'fill = "5"'),),
        ("[data.columns.pain] fill: is \"5\"; must be one of values: '1', '2', '3', '4'",),
    ),
    (
        "reference of four",
        "rich",
        (("reference = [30, 45, 55, 62, 75]", "reference = [30, 45, 55, 62]"),),
        (
            (
                "[data.columns.age] reference: is a list of 4; must be five numbers, below which 5, 25, 50, 75 "
                "and 95 % of patients are expected"
            ),
        ),
    ),
    (
        "reference falls",
        "rich",
        (("reference = [30, 45, 55, 62, 75]", "reference = [30, 45, 40, 62, 75]"),),
        ("[data.columns.age] reference: must not fall: the values below which 5, 25, 50, 75 and 95 % are expected",),
    ),
    (
        "reference out of range",
        "rich",
        (("reference = [30, 45, 55, 62, 75]", "reference = [3, 45, 55, 62, 75]"),),
        ("[data.columns.age] reference: must lie within [18, 110], the range",),
    ),
    (
        "shares too few",
        "rich",
        (("reference = [0.1, 0.2, 0.3, 0.4]", "reference = [0.5, 0.5]"),),
        ("[data.columns.pain] reference: has 2 shares; must have 4, one a value",),
    ),
    (
        "shares beyond one",
        "rich",
        (("reference = [0.1, 0.2, 0.3, 0.4]", "reference = [0.1, 0.2, 0.3, 0.5]"),),
        ("[data.columns.pain] reference: adds up to 1.1; must be shares from 0 that add up to 1",),
    ),
    (
        "shares below zero",
        "rich",
        (("reference = [0.6, 0.4]", "reference = [1.5, -0.5]"),),
        ("[data.label] reference: adds up to 1; must be shares from 0 that add up to 1",),
    ),
    (
        "classes' shares",
        "rich",
        (("reference = [0.6, 0.4]", "reference = [1.0]"),),
        ("[data.label] reference: has 1 shares; must have 2, one a class",),
    ),
    (
        "higher in no class",
        "rich",
        (('higher_in = "disease"', 'higher_in = "diseased"'),),
        ('[data.columns.age] higher_in: is "diseased"; did you mean disease?',),
    ),
    (
        "unknown outside",
        "rich",
        (('outside = "missing"', 'outside = "clip"'),),
        ('[data.columns.age] outside: is "clip"; must be "reject" or "missing": what a value outside the range means',),
    ),
    (
        "synonym of nothing",
        "rich",
        (('none = "4"', 'none = "5"'),),
        ("[data.columns.pain] synonyms: turns \"none\" into \"5\"; must be one of '1', '2', '3', '4'",),
    ),
    (
        "synonym is a value",
        "rich",
        (('none = "4"', '"3.0" = "4"'),),
        ('[data.columns.pain] synonyms: contains "3.0", which is also in values; keep one of the two',),
    ),
    (
        "synonym is missing",
        "rich",
        (('none = "4"', 'NaN = "4"'),),
        ('[data.columns.pain] synonyms: contains "NaN", which is also in missing; keep one of the two',),
    ),
    (
        "synonym twice",
        "rich",
        (('none = "4"', '"9" = "4", "9.0" = "4"'),),
        ('[data.columns.pain] synonyms: contains "9.0" twice (2 and 2.0 are the same); keep one',),
    ),
    (
        "synonym with blanks",
        "rich",
        (('none = "4"', '"none " = "4"'),),
        ('[data.columns.pain] synonyms: contains "none "; leave out the blanks around it (cells are trimmed)',),
    ),
    (
        "synonyms as a list",
        "rich",
        (('synonyms = { typical = "1", none = "4" }', 'synonyms = ["typical"]'),),
        (
            (
                "[data.columns.pain] synonyms: is ['typical']; must be spellings and what they stand for, such "
                'as { male = "m", female = "f" }'
            ),
        ),
    ),
    (
        "synonym of a number",
        "rich",
        (('none = "4"', "none = 4"),),
        (
            (
                "[data.columns.pain] synonyms: is 4; must be spellings and what they stand for, such as { male "
                '= "m", female = "f" }'
            ),
        ),
    ),
    (
        "split beside holdout",
        "rich",
        (('encounter = "stay"', 'encounter = "stay"\nsplit = "split"'),),
        ("[data] split: is given beside [data.holdout]; keep one: a column made beforehand, or a hash",),
    ),
    (
        "holdout of all",
        "rich",
        (("share = 0.25", "share = 1.0"),),
        ("[data.holdout] share: is 1.0; must be a number above 0 and below 1: the share of patients held out",),
    ),
    (
        "holdout without key",
        "rich",
        ((', key = "heart-2026"', ""),),
        (
            (
                "[data.holdout] key: is missing; must be a text that is made up for this study, such as "
                '"heart-2026", in quotes'
            ),
        ),
    ),
    (
        "holdout as text",
        "rich",
        (('holdout = { share = 0.25, key = "heart-2026" }', 'holdout = "20 %"'),),
        ('[data.holdout]: is "20 %"; must be a table',),
    ),
    (
        "encounter is the patient",
        "rich",
        (('encounter = "stay"', 'encounter = "patient_id"'),),
        ('[data] encounter: is "patient_id", which is also the patient; each needs its own column',),
    ),
    (
        "time zero is an input",
        "rich",
        (('time_zero = "admitted"', 'time_zero = "age"'),),
        ('[data] time_zero: is "age", which is also in [data.columns]; the model must not see it',),
    ),
    (
        "time zero is the label",
        "rich",
        (('time_zero = "admitted"', 'time_zero = "disease"'),),
        ('[data] time_zero: is "disease", which is also the label; each needs its own column',),
    ),
    (
        "time is the time zero",
        "rich",
        (('time = "asked"', 'time = "admitted"'),),
        ('[data.columns.pain] time: is "admitted", which is also the time zero; each needs its own column',),
    ),
    (
        "time of the outcome is a time of an input",
        "rich",
        (('time = "asked"', 'time = "diagnosed"'),),
        ('[data.columns.pain] time: is "diagnosed", which is also the time of the outcome; each needs its own column',),
    ),
    (
        "our own name",
        "rich",
        (('encounter = "stay"', 'encounter = "fedward_split"'),),
        ('[data] encounter: is "fedward_split"; names that begin with "fedward_" are Fedward\'s own',),
    ),
    (
        "our own name as an input",
        "rich",
        (("[data.columns.glucose]", "[data.columns.fedward_row]"),),
        ('[data.columns.fedward_row]: must not begin with "fedward_": such names are Fedward\'s own',),
    ),
    (
        "rule without either",
        "rich",
        (('column = "age"\nrange = [40, 80]', 'column = "age"'),),
        ("[[data.include]] 1: range and values are both missing; must have one of the two",),
    ),
    (
        "rule with both",
        "rich",
        (('column = "age"\nrange = [40, 80]', 'column = "age"\nrange = [40, 80]\nvalues = ["50"]'),),
        ("[[data.include]] 1: range and values are both given; must have one of the two",),
    ),
    (
        "rule turned round",
        "rich",
        (("range = [40, 80]", "range = [80, 40]"),),
        ("[[data.include]] 1 range: is [80, 40]; the first must be the smaller one",),
    ),
    (
        "rule outside the column",
        "rich",
        (("range = [40, 80]", "range = [1, 2]"),),
        ("[[data.include]] 1 range: lies outside that of the column, [18, 110]: nobody is left",),
    ),
    (
        "rule of values for a number",
        "rich",
        (('column = "age"\nrange = [40, 80]', 'column = "age"\nvalues = ["50"]'),),
        ('[[data.include]] 1 values: is given, but "age" is a number; must be a range',),
    ),
    (
        "rule of a range for a category",
        "rich",
        (('column = "ward"\nvalues = ["cardiology", "medicine"]', 'column = "pain"\nrange = [1, 2]'),),
        ('[[data.include]] 2 range: is given, but "pain" is a category; must be a list of values',),
    ),
    (
        "rule with an unknown value",
        "rich",
        (('column = "ward"\nvalues = ["cardiology", "medicine"]', 'column = "pain"\nvalues = ["1", "7"]'),),
        ('[[data.include]] 2 values: contains "7"; known here: 1, 2, 3, 4',),
    ),
    (
        "rule on the label",
        "rich",
        (('column = "ward"', 'column = "disease"'),),
        ('[[data.include]] 2 column: is "disease", the label; must be an input or a further column',),
    ),
    (
        "rule on our own column",
        "rich",
        (('column = "ward"', 'column = "fedward_row"'),),
        ('[[data.include]] 2 column: is "fedward_row"; names that begin with "fedward_" are Fedward\'s own',),
    ),
    (
        "rule without a column",
        "rich",
        (('column = "ward"\n', ""),),
        ("[[data.include]] 2 column: is missing; must be the name of the column that the rule looks at",),
    ),
    (
        "unknown key of a rule",
        "rich",
        (('column = "ward"\n', 'column = "ward"\nvalue = "x"\n'),),
        ("[[data.include]] 2 value: is not known here; did you mean values?",),
    ),
    (
        "rules as a table",
        "rich",
        (('[[data.include]]\ncolumn = "age"\nrange = [40, 80]\n\n[[data.include]]', "[data.include]"),),
        ("[data] include: is a table; must be tables with the header [[data.include]]",),
    ),
    (
        "label from codes and a time",
        "rich",
        (('time = "diagnosed"', 'time = "diagnosed"\ncodes = ["I21"]\nwindow = [0, 720]'),),
        ("[data.label] time: is given beside codes, whose events have times; keep one of the two",),
    ),
    (
        "label from codes without window",
        "rich",
        (('time = "diagnosed"', 'codes = ["I21"]'),),
        ("[data.label] codes: is given alone; add window = [0, 720], or leave it out",),
    ),
    (
        "label's window alone",
        "rich",
        (('time = "diagnosed"', "window = [0, 720]"),),
        ("[data.label] window: is given alone; add codes, or leave it out",),
    ),
    (
        "label's window turned round",
        "rich",
        (('time = "diagnosed"', 'codes = ["I21"]\nwindow = [720, 0]'),),
        ("[data.label] window: is [720, 0]; the first must be the smaller one",),
    ),
    (
        "label's window over the inputs'",
        "rich",
        (('time = "diagnosed"', 'codes = ["I21"]\nwindow = [-1, 720]'),),
        (
            (
                "[data.label] window: begins at -1 hours, but inputs are read until 0; must begin there or "
                "later, or the model sees the outcome"
            ),
        ),
    ),
    (
        "label from codes, spelt otherwise",
        "rich",
        (
            ('time = "diagnosed"', 'codes = ["I21"]\nwindow = [0, 720]'),
            ('classes = [["0"], ["1"]]', 'classes = [["no"], ["yes"]]'),
        ),
        ('[data.label] classes: must have "0" in one class and "1" in another: so a label made of codes is spelt',),
    ),
    (
        "label from codes, one class",
        "rich",
        (
            ('time = "diagnosed"', 'codes = ["I21"]\nwindow = [0, 720]'),
            ('classes = [["0"], ["1"]]', 'classes = [["0", "1"], ["2"]]'),
        ),
        ('[data.label] classes: must have "0" in one class and "1" in another: so a label made of codes is spelt',),
    ),
    (
        "form in a table",
        "rich",
        (("[data.label]", '[data.text]\ncolumn = "note"\n\n[data.label]'),),
        ('[data.text]: is only for kind = "tensor"; leave it out',),
    ),
    (
        "copies too many",
        "rich",
        (("copies = 4", "copies = 65"),),
        (
            (
                "[training.augment] copies: is 65; must be a whole number from 1 to 64: changed copies whose "
                "gradients are averaged"
            ),
        ),
    ),
    (
        "flip for a table",
        "rich",
        (("noise = 0.1", "noise = 0.1\nflip = true"),),
        ("[training.augment] flip: makes no sense for tables; for tables there is noise",),
    ),
    (
        "copies alike",
        "rich",
        (("noise = 0.1\n", ""),),
        ("[training.augment] copies: is 4, but nothing changes them; add a change such as noise = 0.1",),
    ),
    (
        "augment misspelt",
        "rich",
        (("noise = 0.1", "nois = 0.1"),),
        ("[training.augment] nois: is not known here; did you mean noise?",),
    ),
    (
        "augment as text",
        "rich",
        (("[training.augment]\ncopies = 4\nnoise = 0.1\n", ""), ("momentum = 0.0", 'momentum = 0.0\naugment = "much"')),
        ('[training.augment]: is "much"; must be a table',),
    ),
    (
        "shape other than the form's",
        "images",
        (("shape = [1, 28, 28]", "shape = [1, 32, 32]"),),
        ("[data] shape: is [1, 32, 32]; must be [1, 28, 28], as [data.image] says, or left out",),
    ),
    (
        "two channels",
        "images",
        (("channels = 1  ", "channels = 2  "),),
        ("[data.image] channels: is 2; must be 1 (grey) or 3 (red, green, blue)",),
    ),
    (
        "two forms",
        "images",
        (("[data.label]", '[data.text]\ncolumn = "note"\n\n[data.label]'),),
        ("[data.text]: is given beside [data.image]; keep one of the two",),
    ),
    (
        "file is the patient",
        "images",
        (('file = "file"      ', 'file = "patient_id"'),),
        ('[data.image] file: is "patient_id", which is also the patient; each needs its own column',),
    ),
    (
        "grey width below zero",
        "images",
        (('fit = "pad"', 'window = [40, -400]\nfit = "pad"'),),
        ("[data.image] window: has the width -400; must be [centre, width], the width above 0",),
    ),
    (
        "unknown fit",
        "images",
        (('fit = "pad"', 'fit = "squeeze"'),),
        ('[data.image] fit: is "squeeze"; must be "pad", "crop" or "stretch"',),
    ),
    (
        "scale of an image",
        "images",
        (("scale = 0.25", "scale = 1e-9"),),
        ("[data.image] scale: is 1e-09; makes inputs as large as 5e+08; must keep them below 1e+06",),
    ),
    (
        "image too large",
        "images",
        (("shape = [1, 28, 28]", "# "), ("height = 28", "height = 100000"), ("width = 28", "width = 100000")),
        ("[data]: makes 10000000000 inputs a record; the most is 268435456",),
    ),
    (
        "drop for images",
        "images",
        (("deterministic = false", "augment = { drop = 0.1 }\ndeterministic = false"),),
        (
            (
                "[training.augment] drop: makes no sense for images; for images there is flip, rotate, shift, "
                "intensity, noise"
            ),
        ),
    ),
    (
        "columns for a tensor",
        "images",
        (
            (
                "[data.label]",
                (
                    "[data.columns.age]\n"
                    'type = "number"\n'
                    'unit = "years"\n'
                    "range = [0, 120]\n"
                    "centre = 50\n"
                    "scale = 10\n"
                    "\n"
                    "[data.label]"
                ),
            ),
        ),
        ('[data.columns]: is only for kind = "table"; leave it out',),
    ),
    (
        "volume's spacing of two",
        "images",
        (
            (
                '[data.image]\nfile = "file"  ',
                '[data.volume]\nspacing = [1.0, 1.0]\nwindow = [40, 400]\ndepth = 8\nfile = "file"  ',
            ),
            ("channels = 1  ", "# "),
            ('fit = "pad"', "# "),
        ),
        (
            (
                "[data.volume] spacing: is a list of 2; must be three numbers from 0.01 to 1000: mm between "
                "slices, rows and columns"
            ),
        ),
    ),
    (
        "step that does not divide",
        "series",
        (("step = 1 ", "step = 5 "),),
        ("[data.series] step: is 5; must divide the window of 48 hours without a rest",),
    ),
    (
        "step of zero",
        "series",
        (("step = 1 ", "step = 0 "),),
        ("[data.series] step: is 0; must be a number from 0.001: hours from one step of the grid to the next",),
    ),
    (
        "series window turned round",
        "series",
        (("window = [-48, 0]", "window = [0, -48]"),),
        ("[data.series] window: is [0, -48]; the first must be the smaller one",),
    ),
    (
        "series without time zero",
        "series",
        (('time_zero = "predict_at"', "#"),),
        ("[data.series] window: counts from time zero, which is not declared; add time_zero to [data]",),
    ),
    (
        "series without a patient",
        "series",
        (('patient = "patient_id"', "#"),),
        ("[data.series]: needs events, which belong to patients; add patient to [data]",),
    ),
    (
        "series without channels",
        "series",
        (
            ("[data.series.channels.heart_rate]", "[other.heart_rate]"),
            ("[data.series.channels.mean_pressure]", "[other.mean_pressure]"),
            ("[data.series.channels.temperature]", "[other.temperature]"),
            ("[data.series.channels.lactate]", "[other.lactate]"),
        ),
        (
            (
                "[other]: is not a table of a study; known here: study, model, data, sites, training, "
                "strategy, privacy, limits, evaluation, resolved"
            ),
            (
                "[data.series.channels]: the table is missing; it holds a table [data.series.channels.NAME] "
                "for each measured quantity"
            ),
        ),
    ),
    (
        "channel's range turned round",
        "series",
        (("range = [25, 45]", "range = [45, 25]"),),
        ("[data.series.channels.temperature] range: is [45, 25]; the first must be the smaller one",),
    ),
    (
        "channel's count out of range",
        "series",
        (("range = [25, 45]", 'range = [25, 45]\npick = "count"'),),
        (
            (
                "[data.series.channels.temperature] range: is [25, 45]; must hold 0, for patients without an "
                'event, with pick = "count"'
            ),
        ),
    ),
    (
        "channel is the label",
        "series",
        (('column = "outcome"', 'column = "lactate"'),),
        ('[data.label] column: is "lactate", which is also in [data.series.channels]; the model must not see it',),
    ),
    (
        "channel's substance",
        "series",
        (('substance = "lactate"', 'substance = "milk"'),),
        (
            (
                '[data.series.channels.lactate] substance: is "milk"; known here: glucose, cholesterol, hdl '
                "cholesterol, ldl cholesterol, triglycerides, creatinine, urea, urea nitrogen, bilirubin, "
                "calcium, magnesium, phosphate, uric acid, haemoglobin, hba1c, lactate, ammonia, sodium, "
                "potassium, chloride, bicarbonate, albumin, total protein, iron, ferritin, transferrin, "
                "cortisol, vitamin d, vitamin b12, folate, thyroxine, triiodothyronine, testosterone, "
                "oestradiol, crp, troponin, d-dimer, procalcitonin, fibrinogen"
            ),
        ),
    ),
    (
        "channel's key",
        "series",
        (("range = [25, 45]", 'range = [25, 45]\nmissing = [""]'),),
        (
            (
                "[data.series.channels.temperature] missing: is not known here; known here: unit, range, "
                "centre, scale, codes, substance, pick"
            ),
        ),
    ),
    (
        "flip for series",
        "series",
        (("deterministic = false", "augment = { flip = true }\ndeterministic = false"),),
        (
            (
                "[training.augment] flip: makes no sense for series with deltas; for series with deltas there "
                "is intensity, noise"
            ),
        ),
    ),
    (
        "flip for signals",
        "signals",
        (("deterministic = false", "augment = { flip = true }\ndeterministic = false"),),
        (
            (
                "[training.augment] flip: makes no sense for signals and series; for signals and series there "
                "is shift, intensity, drop, noise"
            ),
        ),
    ),
    (
        "lead twice",
        "signals",
        (('"aVR"', '"i"'),),
        ("[data.signal] leads: has a lead twice (upper and lower case are the same); keep one",),
    ),
    (
        "no leads",
        "signals",
        (('leads = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]', "leads = []"),),
        ('[data.signal] leads: is a list of 0; must be the names of the leads in order, such as ["I", "II", "V1"]',),
    ),
    (
        "part of a sample",
        "signals",
        (("seconds = 10 ", "seconds = 0.33 "),),
        ("[data.signal] seconds: times rate is 16.5 samples a lead; must be a whole number from 1",),
    ),
    (
        "limit of zero",
        "signals",
        (("limit = 5 ", "limit = 0 "),),
        ("[data.signal] limit: is 0; must be a number above 0: values beyond it are cut",),
    ),
    (
        "length of a bag",
        "text",
        (("# length = 256", "length = 256"),),
        ('[data.text] length: is only for form = "tokens"; leave it out',),
    ),
    (
        "n-grams of tokens",
        "text",
        (('form = "bag"', 'form = "tokens"'),),
        (
            '[model] name: "logistic" does not read texts as tokens',
            '[data.text] ngrams: is only for form = "bag"; leave it out',
        ),
    ),
    (
        "too many buckets",
        "text",
        (("buckets = 4096", "buckets = 100000000"),),
        ("[data.text] buckets: is 100000000; must be a whole number from 2 to 16777216",),
    ),
    (
        "noise for tokens",
        "text",
        (
            ('form = "bag"', 'form = "tokens"'),
            ("ngrams = 2", "# "),
            ("deterministic = false", "augment = { noise = 0.1 }\ndeterministic = false"),
        ),
        (
            '[model] name: "logistic" does not read texts as tokens',
            "[training.augment] noise: makes no sense for texts as tokens; leave the table out",
        ),
    ),
    (
        "follow-up in no unit of time",
        "survival",
        (('unit = "years"\nmaximum', 'unit = "kg"\nmaximum'),),
        ('[data.label.follow_up] unit: is "kg", which measures no time; must be such as "days"',),
    ),
    (
        "follow-up of no time",
        "survival",
        (("maximum = 5 ", "maximum = 0 "),),
        (
            (
                "[data.label.follow_up] maximum: is 0; must be a number above 0: who was watched for longer counts "
                "until here"
            ),
        ),
    ),
    (
        "follow-up is the event",
        "survival",
        (('column = "years" ', 'column = "died" '),),
        ('[data.label.follow_up] column: is "died", which is also the label; each needs its own column',),
    ),
    (
        "follow-up is an input",
        "survival",
        (('column = "years" ', 'column = "age" '),),
        ('[data.label.follow_up] column: is "age", which is also in [data.columns]; the model must not see it',),
    ),
    (
        "cohort by follow-up",
        "survival",
        (("[data.label]\n", '[[data.include]]\ncolumn = "years"\nrange = [1, 5]\n\n[data.label]\n'),),
        ('[[data.include]] 1 column: is "years", the follow-up; must be an input or a further column',),
    ),
    (
        "three classes with a follow-up",
        "survival",
        (
            ('["1", "yes"]]', '["1", "yes"], ["2"]]'),
            ('"alive when last seen", "died"]', '"alive when last seen", "died", "moved"]'),
        ),
        ("[data.label] classes: must be two where there is a follow_up: the end of watching, and the event",),
    ),
    (
        "times of a study of classes",
        "table",
        (('name = "logistic"', 'name = "cox"'),),
        (
            (
                "[model] name: cox predicts when the event happens, and the label does not say how long patients were "
                "watched"
            ),
        ),
    ),
    (
        "intervals beyond the follow-up",
        "survival",
        (("# intervals = [0.5, 1, 2, 3, 5]", "intervals = [1, 10]"),),
        (("[model.options] intervals: the last end is 10; it must be 5, the maximum of [data.label.follow_up]"),),
    ),
    (
        "text is the label",
        "text",
        (('column = "note"', 'column = "outcome"'),),
        ('[data.text] column: is "outcome", which is also the label; each needs its own column',),
    ),
)


@pytest.mark.parametrize(("base", "changes", "told"), [pytest.param(*rest, id=name) for name, *rest in MISTAKES])
def test_a_mistake_is_told_with_what_would_be_right(base: str, changes: Changes, told: tuple[str, ...]) -> None:
    text = BASES[base]
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)

    with pytest.raises(StudyFileError) as failure:
        load_draft(text.encode())

    assert tuple(re.sub(r" \(line [0-9]+\)", "", problem) for problem in failure.value.problems) == told


def test_noise_needs_numbers() -> None:
    start, end = RICH.index("[data.columns.age]"), RICH.index("[data.columns.pain]")
    rule = '[[data.include]]\ncolumn = "age"\nrange = [40, 80]\n'
    text = (RICH[:start] + RICH[end:]).replace(rule, "")

    with pytest.raises(StudyFileError) as failure:
        load_draft(text.encode())

    assert len(failure.value.problems) == 1
    assert "makes no sense for tables without numbers; leave the table out" in failure.value.problems[0]


def test_mistakes_in_several_rules_are_told_with_the_line_of_each() -> None:
    text = RICH.replace("range = [40, 80]", "range = [80, 40]").replace('values = ["cardiology", "medicine"]', "")

    with pytest.raises(StudyFileError) as failure:
        load_draft(text.encode())

    lines = text.split("\n")
    first, second = lines.index("range = [80, 40]") + 1, lines.index('column = "ward"')
    assert [problem.split(":")[0] for problem in failure.value.problems] == [
        f"[[data.include]] 1 range (line {first})",
        f"[[data.include]] 2 (line {second})",
    ]
