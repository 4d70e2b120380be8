"""places.py -- where the code can be changed by one token or one statement, after clang's tree."""

import json
import os
import re
import subprocess

COMPARISONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
OPERATORS = {"+": "-", "-": "+", "&&": "||", "||": "&&", **COMPARISONS}
ASSIGNMENTS = ("BinaryOperator", "CompoundAssignOperator", "UnaryOperator", "CallExpr")
STEPS = ("++", "--")


class Place:
    """Bytes [begin, end) of a file, and what stands there instead."""

    def __init__(self, path, function, kind, begin, end, text, instead):
        self.path = path
        self.function = function
        self.kind = kind
        self.begin = begin
        self.end = end
        self.line = text.count(b"\n", 0, begin) + 1
        self.before = text[begin:end].decode()
        self.instead = instead

    def key(self):
        """The same as long as the function has such a change in such words, in that order."""
        return f"{self.path} {self.function} {self.kind} {squeeze(self.before)}"

    def describe(self):
        return f"{squeeze(self.before)}  ->  {squeeze(self.instead)}"


def squeeze(text):
    return re.sub(r"\s+", " ", text).strip()


class Reader:
    """Reads the tree of one file, and collects places."""

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as file:
            self.text = file.read()
        self.function = ""
        self.places = []

    def span(self, node):
        """(begin, end) of a node, or None if it is of a macro or another file."""
        begin = node.get("range", {}).get("begin", {})
        end = node.get("range", {}).get("end", {})
        if "offset" not in begin or "offset" not in end or "includedFrom" in begin:
            return None
        return begin["offset"], end["offset"] + end["tokLen"]

    def add(self, kind, span, instead):
        self.places.append(
            Place(self.path, self.function, kind, span[0], span[1], self.text, instead)
        )

    def operator(self, node):
        left, right = (self.span(child) for child in node["inner"])
        if left is None or right is None:
            return
        opcode = node["opcode"]
        at = self.text.find(opcode.encode(), left[1], right[0])
        if at >= 0 and opcode in OPERATORS:
            self.add("operator", (at, at + len(opcode)), OPERATORS[opcode])

    def condition(self, node):
        span = self.span(node["inner"][0])
        if span is not None:
            self.add("negated", span, f"!({self.text[span[0]:span[1]].decode()})")

    def literal(self, node):
        span = self.span(node)
        value = int(node["value"])
        if span is not None and value < 1 << 31:
            self.add("number", span, str(value + 1))

    def statement(self, node):
        """A statement that does something and is not a declaration: without it."""
        span = self.span(node)
        is_step = node["kind"] != "UnaryOperator" or node.get("opcode") in STEPS
        is_set = node["kind"] != "BinaryOperator" or node.get("opcode") == "="
        if span is not None and node["kind"] in ASSIGNMENTS and is_step and is_set:
            self.add("dropped", span, "")

    def visit(self, node):
        kind = node.get("kind", "")
        inner = node.get("inner", [])
        if kind == "BinaryOperator" and len(inner) == 2:
            self.operator(node)
        elif kind in ("IfStmt", "ConditionalOperator"):
            self.condition(node)
        elif kind == "IntegerLiteral":
            self.literal(node)
        elif kind == "CompoundStmt":
            for child in inner:
                self.statement(child)
        for child in inner:
            self.visit(child)

    def read(self):
        command = ["clang", "-std=c11", "-D_GNU_SOURCE", "-Iinclude", "-Isrc", "-fsyntax-only"]
        command += ["-Xclang", "-ast-dump=json", self.path]
        tree = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        for node in tree["inner"]:
            has_body = any(child["kind"] == "CompoundStmt" for child in node.get("inner", []))
            if node["kind"] == "FunctionDecl" and has_body and self.span(node) is not None:
                self.function = node["name"]
                self.visit(node)
        return self.places


def find_places(folders):
    places = []
    for folder in folders:
        for name in sorted(os.listdir(folder)):
            if name.endswith(".c"):
                places += Reader(f"{folder}/{name}").read()
    return places
