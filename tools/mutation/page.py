"""page.py -- the table of docs/TESTING.md, and whether catalogue, code and killers agree."""

import os
import re
import sys

from .catalogue import ROOT, ROWS, Killer, count_independent, read_killers, read_text
from .layers import LAYERS

PAGE = os.path.join(ROOT, "docs/TESTING.md")
PAGE_BEGIN = "<!-- mutants: begin -->\n"
PAGE_END = "<!-- mutants: end -->\n"
SHOWN = 2  # Killers of a row in the table.


def cell(layer, killer):
    return (
        f"{layer.name}: {layer.cell(killer.word)}"
        + (" (an assertion)" if killer.is_asserted else "")
        + (" (assertions off)" if killer.is_mute else "")
    )


def independent(row, killers):
    """What the table shows of a row: independent killers, and the names of other layers."""
    shown, others, rigs = [], [], []
    for kind in LAYERS:
        layer, killer = kind(None), killers.get((row.number, kind.name), Killer(""))
        if not killer.word:
            continue
        with_it = rigs + [(layer.rig(killer.word), killer.is_asserted)]
        if len(shown) < SHOWN and count_independent(with_it) > len(rigs):
            rigs = with_it
            shown.append(cell(layer, killer))
        else:
            others.append(layer.name)
    return shown + [""] * (SHOWN - len(shown)), others


def table(rows, killers):
    """What killed each row that applies, group by group; then the rows that wait."""
    lines = ["| row | the bug | found by | independently by | and by |", "|---|---|---|---|---|"]
    group = ""
    for row in rows:
        if row.awaits:
            continue
        if row.group != group:
            group = row.group
            lines.append(f"| | **{group}** | | | |")
        shown, others = independent(row, killers)
        lines.append("| " + " | ".join([row.name, row.bug, *shown, ", ".join(others)]) + " |")
    lines += ["", "Rows that wait for a feature, and count as not killed:", ""]
    for feature in sorted({row.awaits for row in rows if row.awaits}):
        names = [f"{row.name} ({row.bug})" for row in rows if row.awaits == feature]
        lines.append(f"- {feature}: {'; '.join(names)}")
    return "\n".join(lines) + "\n"


def split_page():
    """What stands before the table, the table, and what stands after it."""
    before, _, rest = read_text(PAGE).partition(PAGE_BEGIN)
    present, end, after = rest.partition(PAGE_END)
    if not end:
        sys.exit(f"mutants: {PAGE} has no place for the table")
    return before + PAGE_BEGIN, present.strip("\n") + "\n", end + after


def write(text):
    before, _, after = split_page()
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(before + "\n" + text + "\n" + after)


def find_disagreements(rows, strangers, killers):
    by_number = {row.number: row for row in rows}
    by_name = {layer.name: layer for layer in LAYERS}
    for number in sorted(strangers):
        yield f"src/ has a mutant {number} that the catalogue does not know"
    for number in range(1, max(ROWS, *by_number) + 1):
        if [row.number for row in rows].count(number) != 1:
            yield f"the catalogue has not one row {number}"
    for row in rows:
        found = [(by_name[l], k) for (n, l), k in killers.items() if n == row.number and k.word]
        rigs = [(layer(None).rig(killer.word), killer.is_asserted) for layer, killer in found]
        if row.awaits and row.folders:
            yield f"{row.name} awaits {row.awaits}, and src/ has it"
        if not row.awaits and not row.folders:
            yield f"{row.name} awaits nothing, and src/ does not have it"
        if not row.awaits and count_independent(rigs) < row.needed:
            yield f"{row.name} has {count_independent(rigs)} independent killers of {row.needed}"
    for (number, layer), killer in killers.items():
        row = by_number.get(number)
        if row is None or row.awaits:
            yield f"row {number} has a killer and cannot be had"
        elif layer not in by_name:
            yield f"{row.name}: there is no layer {layer}"
        elif killer.word and not by_name[layer](None).exists(killer.word):
            yield f"{row.name}: the tree has no {killer.word}"
    if split_page()[1] != table(rows, killers):
        yield f"{os.path.relpath(PAGE, ROOT)} is not current: tools/mutants --table"


def check(rows, strangers):
    findings = list(find_disagreements(rows, strangers, read_killers()))
    for finding in findings:
        print(finding)
    print(f"mutants: {len(findings)} findings")
    return 0 if not findings else 1
