"""Units of measure that an answer may carry: which dimension each has, and what it is worth in it.

An unlisted word counts things ("21 dogs") and has no worth of its own.
"""

from __future__ import annotations

import re

THINGS = "things"

_TABLE: dict[str, dict[str, float]] = {
    "percent": {"% percent percentage pct": 0.01},
    "angle": {r"^\circ ^{\circ} degree degrees deg": 1},
    "money": {"cent cents ¢": 0.01, "dollar dollars usd buck bucks": 1},
    "length": {
        "mm millimeter millimeters": 0.001, "cm centimeter centimeters": 0.01, "m meter meters metre metres": 1,
        "km kilometer kilometers": 1000, "in inch inches": 0.0254, "ft foot feet": 0.3048, "yd yard yards": 0.9144,
        "mi mile miles": 1609.344,
    },
    "time": {
        "s sec secs second seconds": 1, "min mins minute minutes": 60, "h hr hrs hour hours": 3600, "day days": 86400,
        "week weeks": 604800,
    },
    "mass": {"mg milligram milligrams": 0.001, "g gram grams": 1, "kg kilogram kilograms": 1000},
    "weight": {"oz ounce ounces": 1, "lb lbs pound pounds": 16},
    "volume": {"ml milliliter milliliters": 0.001, "l liter liters litre litres": 1},
    "speed": {"mph": 1}, "speed, metric": {"km/h kmh kph": 1}, "speed, si": {"m/s": 1},
}  # fmt: skip

UNITS: dict[str, tuple[str, float]] = {
    name: (dimension, worth)
    for dimension, rows in _TABLE.items()
    for names, worth in rows.items()
    for name in names.split()
}
SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000, "trillion": 10**12}
POWER_WORDS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
POWER = re.compile(r"\^\{?([23])\}?$")


def unit_of(words: str) -> tuple[str, float]:
    """Dimension and worth of a unit such as "cm", "square feet", "cm^2", "miles per hour" or "dogs"."""
    words = words.strip().casefold()
    found = POWER.search(words)
    power = int(found.group(1)) if found else 1
    parts = POWER.sub("", words).replace(".", " ").split()
    while len(parts) > 1 and parts[0] in POWER_WORDS:
        power = POWER_WORDS[parts.pop(0)]
    if len(parts) != 1 or parts[0] not in UNITS:
        return THINGS, 1.0
    dimension, worth = UNITS[parts[0]]
    return (dimension, worth) if power == 1 else (f"{dimension}^{power}", worth**power)
