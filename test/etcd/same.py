"""same.py -- commands whose output must be the same against etcd and against Synod.

Each is a list of words for etcdctl or, where the first is "synod", for our own command line,
which then is the same client of two servers. A last element that is a dict has standard input.
They are run in this order on a fresh cluster: later ones see what earlier ones wrote.
"""

import random


def txn(text, *words):
    return ["txn", *words, {"stdin": text}]


def puts(count):
    return "".join(f"put many{i} x\n" for i in range(count))


COMMANDS = [
    # -- Put and get --
    ["get", "nothing"],
    ["get", "nothing", "-w", "json"],
    ["put", "foo", "bar"],
    ["put", "foo", "bar2", "--prev-kv"],
    ["put", "foo", "bar3", "-w", "json"],
    ["put", "foo", "bar4", "--prev-kv", "-w", "fields"],
    ["put", "empty", ""],
    ["put", "space d", "a value\twith\nlines"],
    ["put", "unicod\u00e9", "\u20ac\U0001f600"],
    ["put", "foo1", "z"],
    ["put", "foo2", "y"],
    ["put", "foo3", "x"],
    ["put", "fop", "not of the prefix"],
    ["get", "foo"],
    ["get", "foo", "-w", "json"],
    ["get", "foo", "-w", "fields"],
    ["get", "foo", "--hex"],
    ["get", "space d", "-w", "fields"],
    ["get", "unicod\u00e9"],
    ["get", "empty"],
    ["get", "foo", "--print-value-only"],
    ["get", "foo", "foo3"],
    ["get", "foo3", "foo"],
    ["get", "--prefix", "foo"],
    ["get", "--prefix", "foo", "-w", "json"],
    ["get", "--prefix", ""],
    ["get", "--from-key", "foo2"],
    ["get", "--prefix", "foo", "--keys-only"],
    ["get", "--prefix", "foo", "--keys-only", "-w", "json"],
    ["get", "--prefix", "foo", "--limit", "2"],
    ["get", "--prefix", "foo", "--limit", "2", "-w", "json"],
    ["get", "--prefix", "foo", "--limit", "4", "-w", "fields"],
    ["get", "--prefix", "foo", "--consistency", "s"],
    # -- Sorting --
    *(
        ["get", "--prefix", "foo", "--sort-by", target, "--order", order, *limit]
        for target in ("KEY", "CREATE", "MODIFY", "VALUE")
        for order in ("ASCEND", "DESCEND")
        for limit in ([], ["--limit", "2"])
    ),
    ["get", "--prefix", "foo", "--sort-by", "VERSION", "--order", "DESCEND", "--limit", "1"],
    ["get", "--prefix", "foo", "--sort-by", "MODIFY"],
    ["get", "--prefix", "foo", "--order", "DESCEND"],
    # -- The past --
    ["get", "foo", "--rev", "2"],
    ["get", "foo", "--rev", "3", "-w", "json"],
    ["get", "--prefix", "foo", "--rev", "4", "-w", "json"],
    ["get", "foo", "--rev", "1"],
    ["get", "foo", "--rev", "100000"],
    # -- Deleting --
    ["del", "nothing"],
    ["del", "nothing", "-w", "json"],
    ["del", "foo3", "--prev-kv"],
    ["del", "foo2", "--prev-kv", "-w", "json"],
    ["put", "foo2", "again"],
    ["get", "foo2", "-w", "fields"],
    ["del", "--prefix", "unicod", "--prev-kv", "-w", "fields"],
    ["del", "a", "g", "--prev-kv"],
    ["get", "--prefix", "", "-w", "json"],
    ["put", "k1", "1"],
    ["put", "k2", "2"],
    ["put", "k3", "3"],
    # -- Options of put --
    ["put", "k1", "--ignore-value"],
    ["put", "nothing", "--ignore-value"],
    ["put", "k1", "--ignore-value", "-w", "json"],
    ["put", "k1", "v", "--ignore-lease"],
    ["put", "nothing", "v", "--ignore-lease"],
    ["put", "k1", "v", "--lease", "1234"],
    # -- Txn --
    txn('ver("k1") > "0"\n\nput k1 "txn 1"\nget k1\ndel k2\n\nget k1\n\n'),
    txn('ver("k1") = "0"\n\nput k1 "txn 2"\n\nget k1\nget --prefix k\n\n'),
    txn('val("k1") = "txn 1"\nmod("k3") > "0"\n\nput k4 4\nget --prefix k\nput k5 5\n\n\n'),
    txn('create("k9") = "0"\n\nput k9 9\n\nget k9\n\n', "-w", "json"),
    txn('c("k9") = "0"\n\nput k9 9\n\nget k9 --limit 1\n\n', "-w", "json"),
    txn('m("k9") < "3"\n\nput k9 9\n\nget k9\ndel k9 --prev-kv\n\n', "-w", "fields"),
    txn('value("k4") < "5"\nversion("k4") != "7"\n\nget k4\n\n\n'),
    txn('val("absent") = ""\n\nget k4\n\nget k5\n\n'),
    txn('val("absent") != "x"\n\nget k4\n\nget k5\n\n'),
    txn('ver("absent") = "0"\n\nget k4\n\nget k5\n\n'),
    txn("\n\n\n"),
    txn("\nput a 1\nget a\ndel a\nget a\n\n\n"),
    txn("\nget k4\nget k5 --consistency s\n\n\n", "-w", "json"),
    txn("\ndel k --prefix --prev-kv\nget k --prefix\n\n\n"),
    txn("\nput dup 1\nput dup 2\n\n\n"),
    txn("\ndel d --prefix\nput dup 2\n\n\n"),
    txn("\ndel dup\ndel d --prefix\n\n\n"),
    txn('ver("x") = "0"\n\nput dup 1\n\nput dup 2\n\n'),
    txn("\n" + puts(128) + "\n\n"),
    txn("\n" + puts(129) + "\n\n"),
    txn("\nget k4 --rev 100000\nput never x\n\n\n"),
    txn("\nput never x --lease=7b\n\n\n"),
    ["get", "never"],
    ["del", "--prefix", "many"],
    # -- What is refused --
    ["put", "", "x"],
    ["get", ""],
    ["del", ""],
    ["put", "big", "x" * 120000],
    ["get", "big"],
    # -- Compaction --
    ["put", "c", "1"],
    ["put", "c", "2"],
    ["put", "c", "3"],
    ["compaction", "10"],
    ["get", "c", "--rev", "9"],
    ["get", "foo", "--rev", "10"],
    ["compaction", "10"],
    ["compaction", "5"],
    ["compaction", "100000"],
    ["compaction", "--physical", "20"],
    ["get", "c"],
    txn("\nget c --rev 3\n\n\n"),
    # -- The cluster --
    ["endpoint", "health"],
    ["endpoint", "status"],
    ["endpoint", "status", "-w", "table"],
    ["endpoint", "status", "-w", "fields"],
    ["endpoint", "status", "-w", "json"],
    ["alarm", "list"],
    # -- What etcdctl 3.4 cannot ask for: our command line as the client of both --
    ["synod", "put", "f1", "a"],
    ["synod", "put", "f2", "b"],
    ["synod", "put", "f1", "c"],
    ["synod", "put", "f3", "d"],
    ["synod", "put", "f4", "e"],
    ["synod", "put", "f5", "f"],
    ["synod", "get", "--prefix", "f", "--count-only"],
    ["synod", "get", "--prefix", "f", "--count-only", "-w", "json"],
    ["synod", "get", "--prefix", "f", "--count-only", "--limit", "1", "-w", "json"],
    ["synod", "get", "--prefix", "f", "--limit", "1", "--sort-by", "VALUE", "-w", "json"],
    *(
        ["synod", "get", "--prefix", "", *bounds, *more, "-w", "json"]
        for bounds in (
            ["--min-mod-rev", "37"], ["--max-mod-rev", "37"], ["--min-create-rev", "37"],
            ["--max-create-rev", "37"], ["--min-mod-rev", "8", "--max-create-rev", "36"],
        )
        for more in ([], ["--limit", "2"], ["--limit", "1", "--order", "DESCEND"], ["--count-only"])
    ),
    ["synod", "get", "f1", "--serializable", "-w", "fields"],
    ["synod", "txn", {"stdin": 'lease("f1") = "0"\n\nget f1\n\nget f2\n'}],
    ["synod", "txn", {"stdin": 'lease("absent") > "0"\n\nget f1\n\nget f2\n'}],
    ["synod", "txn", "-w", "json", {"stdin": 'ver("f1") = "2"\n\nget f --prefix --count-only\n'}],
    ["synod", "get", "--prefix", "", "-w", "json"],
]


def random_commands(seed, count):
    """Puts, gets, dels, txns and compactions of a few keys, through our own command line.

    Values are all different and sorting is by key or value, as the order of equal ones is not
    defined."""
    chance = random.Random(seed)
    keys = ["a", "ab", "abc", "b", "ba", "c", "ca/x", "ca/y", "d"]
    written = [0]

    def value():
        written[0] += 1
        return f"{chance.randrange(100)}-{written[0]}"

    def span():
        kind = chance.randrange(4)
        if kind == 0:
            return [chance.choice(keys), "--prefix"]
        if kind == 1:
            return [chance.choice(keys), "--from-key"]
        if kind == 2:
            return [chance.choice(keys), chance.choice(keys)]
        return [chance.choice(keys)]

    def get_options(may_look_back):
        options = []
        if chance.random() < 0.3:
            options += ["--limit", str(chance.randrange(1, 4))]
        if chance.random() < 0.3:
            options += ["--sort-by", chance.choice(["KEY", "VALUE"])]
            options += ["--order", chance.choice(["ASCEND", "DESCEND"])]
        if chance.random() < 0.2:
            options += [chance.choice(["--keys-only", "--count-only"])]
        if chance.random() < 0.2:
            which = chance.choice(["--min-mod-rev", "--max-mod-rev", "--min-create-rev",
                                   "--max-create-rev"])
            options += [which, str(chance.randrange(1, 2 * written[0] + 2))]
        if may_look_back and chance.random() < 0.3:
            options += ["--rev", str(chance.randrange(1, 2 * written[0] + 5))]
        return options

    def operation():
        kind = chance.randrange(3)
        if kind == 0:
            return f"put {chance.choice(keys)} {value()}" + chance.choice(["", " --prev-kv"])
        if kind == 1:
            return "del " + " ".join(span()) + chance.choice(["", " --prev-kv"])
        return "get " + " ".join(span() + get_options(chance.random() < 0.1))

    def compare():
        key, target = chance.choice(keys), chance.choice(["ver", "create", "mod", "val", "lease"])
        limit = 2 * written[0] + 2 if target in ("create", "mod") else 4
        return f'{target}("{key}") {chance.choice(["=", "!=", "<", ">"])} ' \
               f'"{chance.randrange(limit)}"'

    def block(part, most):
        return "".join(part() + "\n" for _ in range(chance.randrange(most + 1))) + "\n"

    for _ in range(count):
        kind = chance.randrange(10)
        if kind < 3:
            yield ["synod", "put", chance.choice(keys), value(), "-w", "json",
                   *chance.choice([[], ["--prev-kv"]])]
        elif kind < 4:
            yield ["synod", "del", *span(), "-w", "json", *chance.choice([[], ["--prev-kv"]])]
        elif kind < 7:
            yield ["synod", "get", *span(), *get_options(True), "-w", "json"]
        elif kind < 9 or chance.random() < 0.7:
            text = block(compare, 2) + block(operation, 3) + block(operation, 3)
            yield ["synod", "txn", "-w", "json", {"stdin": text}]
        else:
            yield ["synod", "compact", str(chance.randrange(1, written[0] + 2))]


# Asked of one and the same server by etcdctl and by our command line.
SAME_CLIENTS = [
    ["get", "--prefix", "f"],
    ["get", "--prefix", "f", "-w", "json"],
    ["get", "--prefix", "f", "-w", "fields"],
    ["get", "--prefix", "f", "--keys-only", "--limit", "2"],
    ["get", "--prefix", "f", "--print-value-only"],
    ["get", "--from-key", "f2", "--sort-by", "MODIFY", "--order", "DESCEND"],
    ["get", "big", "-w", "fields"],
    ["get", "nothing", "-w", "json"],
    ["del", "nothing"],
    ["del", "nothing", "-w", "fields"],
    txn('ver("f1") = "2"\n\nget f1\nget --prefix f\n\n\n'),
    txn('ver("f1") = "2"\n\nget f1\nget --prefix f\n\n\n', "-w", "json"),
    txn('ver("f1") = "2"\n\nget f1\ndel nothing\n\n\n', "-w", "fields"),
    ["endpoint", "status"],
]
