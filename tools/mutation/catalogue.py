"""catalogue.py -- the rows of test/mutants: the bugs, which code has them, what killed them."""

import glob
import os
import re
import typing

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CATALOGUE = os.path.join(ROOT, "test/mutants/catalogue.txt")
KILLERS = os.path.join(ROOT, "test/mutants/killers.txt")
ROWS = 78  # Of the first catalogue; those above came later, and are counted apart.


class Killer(typing.NamedTuple):
    """A layer's word for what killed a row; '' where it searched in vain."""

    word: str
    is_asserted: bool = False  # An assertion of src/ judged, and not the layer's own judge.
    is_mute: bool = False  # With the assertions of src/ switched off.

    def __str__(self):
        note = " | asserted" if self.is_asserted else " | mute" if self.is_mute else ""
        return (self.word or "-") + note


def parse_killer(text):
    word, _, note = text.partition(" | ")
    return Killer("" if word == "-" else word, note == "asserted", note == "mute")


def count_independent(rigs):
    """How many of the killers are independent, given [(rig, is_asserted)]: two judges are one if
    both are the code's own assertions."""
    judges = {rig for rig, is_asserted in rigs if not is_asserted}
    return len(judges) + any(rig not in judges for rig, _ in rigs)


class Row:
    def __init__(self, group, number, needed, awaits, bug):
        self.group = group
        self.number = number
        self.name = f"M{number:02}"
        self.needed = needed
        self.awaits = awaits
        self.bug = bug
        self.folders = set()  # Those of src/ that have it.
        self.kills = {}  # Name of the layer: (Killer, why, rig).
        self.blind = set()  # Layers that were searched in vain.
        self.seconds = 0.0

    def has_enough(self):
        rigs = [(rig, killer.is_asserted) for killer, _, rig in self.kills.values()]
        return count_independent(rigs) >= self.needed

    def state(self):
        if self.awaits:
            return "waiting"
        if self.has_enough():
            return "killed"
        return "short" if self.kills else "surviving"


def read_text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def read_catalogue():
    """Its groups are comments of the shape `# A. Name`."""
    rows = []
    group = ""
    for line in read_text(CATALOGUE).splitlines():
        if re.match(r"# [A-Z]\. ", line):
            group = line[2:]
        elif line and not line.startswith("#"):
            name, needed, awaits, bug = line.split(None, 3)
            awaits = "" if awaits == "-" else awaits
            rows.append(Row(group, int(name[1:]), int(needed), awaits, bug))
    return rows


def find_sites(rows):
    """Which folders of src/ have each bug. Returns the numbers that are no row's."""
    by_number = {row.number: row for row in rows}
    strangers = set()
    for path in glob.glob(os.path.join(ROOT, "src/*/*.[ch]")):
        for number in re.findall(r"\bMUTANT\((\d+)\)", read_text(path)):
            if int(number) in by_number:
                by_number[int(number)].folders.add(path.split("/")[-2])
            else:
                strangers.add(int(number))
    return strangers


def read_killers():
    """(row, layer): the Killer of last time."""
    killers = {}
    for line in read_text(KILLERS).splitlines():
        if line.startswith("#"):
            continue
        name, layer, killer = line.split(None, 2)
        killers[int(name[1:]), layer] = parse_killer(killer)
    return killers


def write_killers(row, order):
    """As soon as a row is done: a long search may be broken off. `order` is that of the layers."""
    killers = read_killers()
    for layer, (killer, _, _) in row.kills.items():
        killers[row.number, layer] = killer
    for layer in row.blind:
        killers[row.number, layer] = Killer("")
    with open(KILLERS, "w", encoding="utf-8") as file:
        file.write(
            "# What killed each row of the catalogue in each layer, when it was last searched; a\n"
            "# dash: nothing did. Asserted: an assertion of src/ has judged; mute: with those\n"
            "# switched off. Tried first, and counted only when it kills again. Written by\n"
            "# tools/mutants --write.\n"
        )
        for number, layer in sorted(killers, key=lambda key: (key[0], order.index(key[1]))):
            file.write(f"M{number:02} {layer} {killers[number, layer]}\n")
