"""hunt.py -- go through the rows, some at a time, and show how far it is."""

import sys
import threading
import time

from .catalogue import Killer, write_killers
from .layers import LAYERS


class Hunt:
    def __init__(self, layers, killers, is_all):
        self.layers = layers
        self.killers = killers
        self.is_all = is_all

    def is_done(self, row):
        return row.has_enough() and not self.is_all

    def note(self, row, layer, word, outcome):
        killer = Killer(word, outcome.is_asserted, layer.runner.is_mute)
        row.kills[layer.name] = killer, outcome.why, layer.rig(word)

    def try_known(self, row, layer):
        killer = self.killers.get((row.number, layer.name), Killer(""))
        with layer.runner.muted(killer.is_mute):
            outcome = layer.repeat(row, killer.word) if killer.word else None
            if outcome:
                self.note(row, layer, killer.word, outcome)

    def search(self, row, layer):
        found = layer.search(row)
        if found:
            self.note(row, layer, *found)
        elif layer.name not in row.kills:
            row.blind.add(layer.name)

    def hear_others(self, row, layers):
        """Where the code's own assertions have judged: what would the layer's judge have said?"""
        for layer in layers:
            killer = row.kills.get(layer.name, [Killer("")])[0]
            if killer.is_asserted and not row.has_enough():
                with layer.runner.muted():
                    self.search(row, layer)

    def work(self, row):
        """What is known first; then layer by layer, and those that were blind last of all."""
        if row.awaits or not row.folders:
            return
        layers = [layer for layer in self.layers if layer.runs(row)]
        for layer in layers:
            if not self.is_done(row):
                self.try_known(row, layer)
        self.hear_others(row, layers)
        was_blind = [l for l in layers if self.killers.get((row.number, l.name)) == Killer("")]
        unknown = [l for l in layers if l not in was_blind]
        for layer in unknown + was_blind:
            if layer.name not in row.kills and not self.is_done(row):
                self.search(row, layer)
        self.hear_others(row, layers)


class Screen:
    """A line for each row that is done and, on a terminal, one for those under way."""

    def __init__(self, total):
        self.total = total
        self.done = 0
        self.running = []
        self.begun = time.monotonic()
        self.lock = threading.Lock()
        self.is_terminal = sys.stdout.isatty()

    def started(self, row):
        with self.lock:
            self.running.append(row.name)

    def ended(self, row):
        with self.lock:
            self.running.remove(row.name)
            self.done += 1
            if self.is_terminal:
                print("\r\033[K", end="")
            if not row.awaits:
                print(describe(row))
            sys.stdout.flush()

    def tick(self):
        with self.lock:
            if self.is_terminal and self.running:
                filled = 30 * self.done // self.total
                bar = "#" * filled + " " * (30 - filled)
                seconds = int(time.monotonic() - self.begun)
                names = ", ".join(self.running)
                print(f"\r\033[K[{bar}] {self.done}/{self.total}  {seconds} s  {names}", end="")
                sys.stdout.flush()


def describe(row):
    lines = [f"  {row.name}  {row.state():<10} {row.bug}  ({row.seconds:.1f} s)"]
    if not row.folders:
        lines.append("         nothing in src/ has it")
    for layer, (killer, why, _) in row.kills.items():
        why += ", the assertions of src/ off" if killer.is_mute else ""
        lines.append(f"         {layer:<10} {killer.word}  ({why})")
    if row.state() != "killed":
        for layer in sorted(row.blind):
            lines.append(f"         {layer:<10} blind")
    return "\n".join(lines)


def hunt_all(rows, hunt, arguments):
    screen = Screen(len(rows))
    waiting = list(reversed(rows))
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                if not waiting:
                    return
                row = waiting.pop()
            screen.started(row)
            begun = time.monotonic()
            hunt.work(row)
            row.seconds = time.monotonic() - begun
            screen.ended(row)
            if arguments.write:
                with lock:
                    write_killers(row, [layer.name for layer in LAYERS])

    threads = [threading.Thread(target=work, daemon=True) for _ in range(arguments.jobs)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        screen.tick()
        for thread in threads:
            thread.join(timeout=0.1)
    if screen.is_terminal:
        print("\r\033[K", end="")
