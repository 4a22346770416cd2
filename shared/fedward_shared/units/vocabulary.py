"""The clinical units there are: definitions for pint, and the spellings of each.

It is a closed list on purpose. pint's own has thousands of units, in which "pH" is a picohenry and "HU" is nothing.
Sources: SI Brochure, 9th ed. (2019); UCUM 2.1 (https://ucum.org/ucum); NIST SP 811 for inch, pound, mmHg, cmH2O.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["DEFINITIONS", "PHRASES", "SPELLINGS"]

DEFINITIONS = """\
pico- = 1 / 1000000000000 = p-
nano- = 1 / 1000000000 = n-
micro- = 1 / 1000000 = u-
milli- = 1 / 1000 = m-
centi- = 1 / 100 = c-
deci- = 1 / 10 = d-
femto- = 1 / 1000000000000000 = f-
hecto- = 100 = h-
kilo- = 1000 = k-
mega- = 1000000 = M-
meter = [length]
gram = [mass]
mole = [substance]
equivalent = [charge]
osmole = [osmoles]
enzyme_unit = [activity]
second = [time]
kelvin = [temperature]; offset: 0
volt = [potential]
body_surface = [body_surface]
acidity = [acidity]
hounsfield = [attenuation]
decay = [decay]
sievert = [equivalent_dose]
degree_celsius = kelvin; offset: 273.15
degree_fahrenheit = 5 / 9 * kelvin; offset: 255.3722222222222222
minute = 60 * second
hour = 60 * minute
day = 24 * hour
week = 7 * day
year = 365.25 * day
month = year / 12
liter = meter ** 3 / 1000
inch = 0.0254 * meter
foot = 12 * inch
pound = 453.59237 * gram
ounce = pound / 16
pascal = 1000 * gram / meter / second ** 2
bar = 100000 * pascal
millimeter_mercury = 133.322387415 * pascal
centimeter_water = 98.0665 * pascal
joule = pascal * meter ** 3
calorie = 4.184 * joule
katal = 60000000 * enzyme_unit
hertz = 1 / second
becquerel = decay / second
gray = joule / gram / 1000
percent = 1 / 100
permille = 1 / 1000
per_million = 1 / 1000000
molar = mole / liter
"""
"""Units as pint reads them. An international unit counts as an enzyme unit, as laboratories use the two words."""

_TABLE = """\
gram g gm gram grams gramme grammes
kilogram kg kgs kilogram kilograms kilo kilos
milligram mg milligram milligrams
microgram ug mcg microgram micrograms
nanogram ng nanogram nanograms
picogram pg picogram picograms
pound lb lbs pound pounds lb_av
ounce oz ounce ounces oz_av
mole mol mole moles
millimole mmol mmole mmoles millimole millimoles
micromole umol umole umoles mcmol micromole micromoles
nanomole nmol nmole nanomole nanomoles
picomole pmol pmole picomole picomoles
millimolar mM
micromolar uM
nanomolar nM
equivalent eq
milliequivalent meq milliequivalent milliequivalents
microequivalent ueq
osmole osm osmol osmole
milliosmole mosm mosmol milliosmole milliosmoles
enzyme_unit U IU iU unit units
millienzyme_unit mU mIU miU
microenzyme_unit uU uIU uiU mcU mcIU
kiloenzyme_unit kU kIU kiU
katal kat katal
microkatal ukat
nanokatal nkat
liter L l liter liters litre litres
deciliter dL dl deciliter deciliters decilitre
centiliter cL cl
milliliter mL ml cc cm3 ccm milliliter milliliters millilitre millilitres
microliter uL ul mcL mcl mm3 cmm cumm microliter microliters microlitre
nanoliter nL nl
picoliter pL pl
femtoliter fL fl um3
meter m meter meters metre metres
centimeter cm cms centimeter centimeters centimetre centimetres
millimeter mm millimeter millimeters millimetre millimetres
micrometer um micron microns micrometer
nanometer nm
inch in inch inches in_i
foot ft foot feet ft_i
second s sec secs second seconds
millisecond ms msec msecs millisecond milliseconds
minute min mins minute minutes
hour h hr hrs hour hours
day d day days
week wk wks week weeks
month mo mos mon month months
year a y yr yrs year years
degree_celsius °C C Cel degC celsius
degree_fahrenheit °F F degF fahrenheit
kelvin K
pascal Pa
hectopascal hPa
kilopascal kPa
bar bar
millibar mbar
millimeter_mercury mmHg torr
centimeter_water cmwater
volt V volt volts
millivolt mV millivolt millivolts
microvolt uV microvolt microvolts
nanovolt nV
hertz Hz hertz
kilohertz kHz
joule J
kilojoule kJ
kilocalorie kcal
calorie cal
gray Gy
milligray mGy
centigray cGy
sievert Sv
millisievert mSv
becquerel Bq
megabecquerel MBq
percent % percent pct
permille ‰ permille
per_million ppm
acidity pH
hounsfield HU hnsf'U
body_surface bsa
"""

_COUNTED = (
    "1 cell cells count counts copy copies beat beats breath breaths event events number fraction ratio proportion "
    "rbc rbcs wbc wbcs platelets"
)


def _spellings() -> Mapping[str, str]:
    found = {}
    for line in _TABLE.splitlines():
        unit, *spellings = line.split()
        found.update(dict.fromkeys(spellings, unit))
    found.update(dict.fromkeys(_COUNTED.split(), ""))
    return MappingProxyType(found)


SPELLINGS: Mapping[str, str] = _spellings()
"""Words, as they stand in a unit, and what pint calls them; "" for what is merely counted."""

PHRASES: Mapping[str, str] = MappingProxyType(
    {
        "bpm": "1/min",
        "brpm": "1/min",
        "rpm": "1/min",
        "mm hg": "mmHg",
        "cm h2o": "cmH2O",
        "deg c": "degC",
        "° c": "degC",
        "deg f": "degF",
        "° f": "degF",
        "degrees c": "degC",
        "degrees f": "degF",
        "degree celsius": "degC",
        "degrees celsius": "degC",
        "degree fahrenheit": "degF",
        "degrees fahrenheit": "degF",
        "mg%": "mg/dL",
        "g%": "g/dL",
        "fractional": "1",
    }
)
"""Whole units, in small letters, that do not follow the grammar of the others."""
