"""Random Jinja programs for test_jinja.py: expressions, filters, tests, loops, macros, whitespace control, errors.

`program(random.Random(seed))` gives one template; `CONTEXT` is what all of them see. Most expressions have the type
that their place asks for, some do not, so that errors are compared too.
"""
import re

CONTEXT = {
    "s": "Hello World",
    "t": "  a-b, c-d;\n e\t",
    "u": "Größe ΑΣ 日本語 ñ\u00a0x 😀 ǆ ﬁ İ",
    "html": "<b class=\"x\">it's & that</b>",
    "empty": "",
    "n": 7,
    "m": -3,
    "z": 0,
    "f": 2.5,
    "g": -0.125,
    "big": 123456789012345680.0,
    "yes": True,
    "no": False,
    "nothing": None,
    "xs": [3, 1, 2, 3],
    "fs": [0.5, 1.0, 1e-7],
    "names": ["bob", "Alice", "carol", "alice"],
    "mixed": [1, "1", 1.0, True, None, [1], {"a": 1}],
    "nested": [[1, 2], [3, 4], [5, 6]],
    "void": [],
    "d": {"b": 1, "a": 2, "Items": 3, "items": 4, "c d": None},
    "e": {},
    "rows": [
        {"name": "x", "v": 2, "tag": "A", "in": {"k": [1, 2]}},
        {"name": "y", "v": 1, "tag": "b", "in": {"k": [3]}},
        {"name": "Z", "v": 3, "tag": "a"},
        {"name": "w", "v": 1, "tag": "B", "in": None},
    ],
    "tree": [{"t": "1", "kids": [{"t": "1.1", "kids": []}, {"t": "1.2", "kids": [{"t": "x", "kids": []}]}]},
             {"t": "2", "kids": []}],
}

STRINGS = ["s", "t", "u", "html", "empty"]
NUMBERS = ["n", "m", "z", "f", "g"]
LISTS = ["xs", "fs", "names", "mixed", "nested", "void", "rows"]
DICTS = ["d", "e", "rows[0]", "rows[2]"]
ANY = STRINGS + NUMBERS + LISTS + DICTS + ["yes", "no", "nothing", "nope", "big", "tree"]
LITERAL_STRINGS = [
    "''", "'a'", '"b c"', r"'x\ny'", r"'\t'", "'é'", "'%s-%s'", "'%5.2f|%d'", "'{}:{}'", "'{0!r:>6}'", "','", "' '",
    "'-'", "'name'", "'v'", "'a.b'", "'in.k'", "'0'", "'12'", "'-4.5'", "'0x1F'", r"'\u00e9\x41'", "'a' 'b'", "'l'",
]
STRING_METHODS = [
    "upper()", "lower()", "title()", "capitalize()", "swapcase()", "strip()", "lstrip()", "rstrip()", "strip('ab ')",
    "lstrip('H')", "rstrip('d')", "split()", "split(' ')", "split(',', 1)", "split('l', 2)", "rsplit('l', 1)",
    "rsplit()", "rsplit(None, 1)", "split(None, 1)", "splitlines()", "splitlines(true)", "partition('o')",
    "rpartition('o')", "replace('l', 'L')", "replace('', '-')", "replace('l', '', 1)", "startswith('He')",
    "startswith(('x', 'H'))", "endswith('d')", "endswith('d', 0, 3)", "find('o')", "rfind('o')", "find('zz')",
    "index('o')", "index('zz')", "count('l')", "count('')", "find('o', 5)", "count('l', 3, -1)", "isdigit()",
    "isalpha()", "isupper()", "islower()", "isspace()", "istitle()", "isalnum()", "isidentifier()", "isnumeric()",
    "isascii()", "zfill(14)", "center(15)", "center(14, '*')", "ljust(13, '.')", "rjust(13)", "expandtabs(4)",
    "removeprefix('He')", "removesuffix('ld')", "casefold()", "join(names)", "join(xs)", "format(1, 2)",
    "format(a=1)", "encode", "nosuch()", "__class__", "join('abc')", "isprintable()", "isdecimal()",
]
LIST_METHODS = ["count(1)", "index(3)", "index(99)", "copy()", "append(1)", "sort()", "pop()", "count('bob')"]
DICT_METHODS = [
    "items()|list", "keys()|list", "values()|list", "get('a')", "get('zz')", "get('zz', 5)", "copy()", "pop('a')",
    "update({'q': 1})", "items", "get()", "keys()", "items()", "values()", "get('name', 'q')", "b", "a", "Items",
    "name", "v", "tag", "setdefault('a')", "__len__",
]
TESTS = [
    "defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "true", "false", "mapping",
    "sequence", "iterable", "callable", "odd", "even", "lower", "upper", "divisibleby(2)", "divisibleby 3",
    "divisibleby(0)", "equalto(3)", "eq 7", "ne 'a'", "gt 2", "lt(3)", "ge 1", "le 2.5", "in xs", "in names", "in d",
    "in s", "sameas none", "sameas(true)", "escaped", "filter", "test", "not none", "not defined", "nosuchtest",
    "greaterthan(1)", "lessthan 2", "== 3", "in(mixed)",
]
TEXT_FILTERS = [
    "upper", "lower", "title", "capitalize", "trim", "trim('H ')", "string", "length", "replace('l', 'x')",
    "replace('l', 'x', 1)", "indent", "indent(2)", "indent(2, true)", "indent('> ', first=true, blank=true)",
    "truncate(8)", "truncate(5, true)", "truncate(9, false, '..', 0)", "center(20)", "wordcount", "e", "escape",
    "safe", "forceescape", "list", "first", "last", "reverse", "int", "float", "int(5)", "int(0, 16)",
    "default('q')", "default('q', true)", "d('q', boolean=true)", "tojson", "urlencode", "join('-')", "count",
    "format(1, 2)", "format('a', 'b')", "format(n)", "attr('upper')", "nosuchfilter", "unique|list", "batch(3)|list",
    "select|list|length", "map('upper')|list", "sort|join", "max", "min", "slice(3)|list", "tojson(ensure_ascii=true)",
]
NUMBER_FILTERS = [
    "abs", "int", "float", "round", "round(1)", "round(2, 'floor')", "round(1, 'ceil')", "round(-1)", "string",
    "default(1)", "default(1, true)", "tojson", "filesizeformat", "filesizeformat(true)", "upper", "length", "list",
    "round(method='floor')", "format(1)", "round(0, 'bad')", "e",
]
LIST_FILTERS = [
    "length", "first", "last", "list", "join", "join(', ')", "join(',', attribute='name')", "join('|', 'v')", "reverse|list",
    "sort|list", "sort(reverse=true)|list", "sort(attribute='v')|list", "sort(attribute='tag,v')|list",
    "sort(case_sensitive=true)|list", "sort(false, true, 'tag')|list", "unique|list", "unique(attribute='tag')|list",
    "unique(true, 'tag')|list", "sum", "sum(start=10)", "sum(attribute='v')", "sum('v', 2.5)", "min", "max",
    "min(attribute='v')", "max(attribute='name')", "min(case_sensitive=true)", "max(true)", "map('upper')|list",
    "map('string')|list", "map(attribute='name')|list", "map(attribute='in.k.0', default='?')|list",
    "map(attribute='in.k')|list", "map('default', 'q')|join(',')", "map('replace', 'a', 'A')|list", "map('length')|list",
    "map('int')|sum", "map('first')|list", "map(attribute=0)|list", "map(attribute='0')|list", "map|list",
    "map('nosuch')|list", "select|list", "select('odd')|list", "select('gt', 1)|list", "select('string')|list",
    "select('in', xs)|list", "reject|list", "reject('none')|list", "reject('equalto', 3)|list", "reject('nosuch')|list",
    "selectattr('in')|list", "selectattr('v', 'equalto', 1)|list", "selectattr('tag', 'lower')|map(attribute='name')|list",
    "selectattr('in.k', 'defined')|list|length", "selectattr('v', 'in', [1, 2])|list", "selectattr|list",
    "rejectattr('in')|list", "rejectattr('v', 'gt', 1)|list", "rejectattr('name', 'eq', 'x')|map(attribute='v')|join('+')",
    "groupby('v')", "groupby('tag')|list", "groupby('tag', case_sensitive=true)|list", "groupby('in', default='none')",
    "groupby('nope', default='-')|list", "batch(2)|list", "batch(3, 'x')|list", "slice(2)|list", "slice(3, 0)|list",
    "tojson", "tojson(indent=2)", "tojson(indent=2, sort_keys=true)", "tojson(separators=(',', ':'))", "string",
    "default([])", "items|list", "reverse|first", "count", "indent", "upper", "tojson(indent='--')",
    "map('tojson')|join(' ')", "map('title')|map('lower')|list", "first|default('none')", "last|default('none')",
    "selectattr('name', 'upper')|first|tojson", "map('abs')|list", "map('round', 1)|list", "map('batch', 2)|list|length",
]
DICT_FILTERS = [
    "items|list", "dictsort", "dictsort(true)", "dictsort(by='value')", "dictsort(reverse=true)", "dictsort(false, 'value')",
    "list", "length", "tojson", "tojson(indent=1)", "tojson(sort_keys=true, separators=(', ', '='))", "join(',')",
    "first", "last", "sort|list", "string", "default({})", "map('upper')|list", "items|first", "urlencode", "reverse|list",
    "dictsort|map('first')|list", "attr('items')|string|length > 5", "select|list", "tojson(indent=0)", "max", "min",
    "groupby('a')", "items|map('last')|list", "dictsort(by='bad')",
]
KEYS = ["'k'", "'a'", "s", "n", "1", "none", "yes", "(1, 'x')", "xs", "nope", "2.5", "'é'"]
COMPARISONS = ["==", "!=", "<", "<=", ">", ">=", "in", "not in"]


FAILS = re.compile(r"nosuch|bad'|99|nope\(|zz|s\(\)|append|pop|sort\(\)|update|setdefault|200000|'a'\)$|raise_ex|_x = 1|:0$|:s$|divisibleby\(0|"
                   r"^get\(\)|ns = |caller\(\)|^loop|random|format\(|a', none|\{\{\+|map\||selectattr\||nope|^mixed|^z$")


class Generator:
    def __init__(self, rng):
        self.rng = rng
        self.names = []  # names set so far
        self.depth = 0
        self.loops = 0
        self.macros = []
        self.counter = 0

    def pick(self, options):
        """One of them; those that are sure to fail only now and then."""
        option = self.rng.choice(options)
        while isinstance(option, str) and FAILS.search(option) and self.chance(0.9):
            option = self.rng.choice(options)
        return option

    def chance(self, probability):
        return self.rng.random() < probability

    def fresh(self):
        self.counter += 1
        return f"v{self.counter % 6}"

    # Expressions.

    def expression(self, level=3):
        kind = self.pick(["string", "string", "number", "number", "list", "list", "dict", "boolean", "any"])
        return getattr(self, kind)(level)

    def argument(self, kind, level):
        """Usually of the kind asked for."""
        return self.expression(level) if self.chance(0.06) else getattr(self, kind)(level)

    def any(self, level):
        choices = [lambda: self.pick(ANY), lambda: self.pick(self.names or ANY), lambda: self.member(level),
                   lambda: self.conditional(level), lambda: self.call(level),
                   lambda: f"({self.expression(level - 1)} or {self.expression(level - 1)})",
                   lambda: f"({self.expression(level - 1)} and {self.expression(level - 1)})"]
        return self.pick(choices)() if level > 0 else self.pick(ANY)

    def member(self, level):
        base = self.pick(["rows[0]", "rows[1]", "rows[-1]", "d", "rows", "nested", "s", "nope", "mixed", "xs", "e", "n"])
        return base + self.pick([".name", "['v']", "[0]", "[-1]", "[9]", ".in.k", ".in.k[0]", "['a']", ".items", ".0",
                                 "[true]", "['items']", ".Items", "['in']['k']", "[none]", "[1.0]", ".real", "[s]",
                                 ".a.b", "[:2]", "[n]"])

    def slice(self, level):
        bound = lambda: self.pick(["", "", "0", "1", "2", "-1", "-2", "5", "99", "n", "m", "none"])
        step = self.pick(["", "", "", ":", ":1", ":2", ":-1", ":-2", ":m", ":0"] if self.chance(0.9) else [":s"])
        return f"[{bound()}:{bound()}{step}]"

    def conditional(self, level):
        otherwise = f" else {self.expression(level - 1)}" if self.chance(0.8) else ""
        return f"({self.expression(level - 1)} if {self.boolean(level - 1)}{otherwise})"

    def call(self, level):
        return self.pick(["range(4)|list", "range(n, z, -2)|list", "range(5)", "range(2, 9, 3)", "dict(a=1, b='x')",
                          "dict(d, q=2)", "dict([[1, 2]])|tojson", "range(200000)", "namespace(a=1).a", "dict.fromkeys(xs)",
                          "cycler('a', 'b').next()", "joiner()()", "range(0)", "nope()", "s()", "range('a')",
                          "dict(names)", "range(10)[2:8:3]|list", "range(3)[-1]", "5 in range(1, 9, 2)",
                          "loop.index", "strftime_now('%%x')", "namespace(a=1, b=[2])", "namespace({'x': 1}).x",
                          "raise_exception('no ' ~ s)"] if self.chance(0.9) else [f"range({self.number(level - 1)})"])

    def string(self, level):
        if level <= 0:
            return self.pick(STRINGS + LITERAL_STRINGS)
        sub = level - 1
        choices = [
            lambda: self.pick(STRINGS), lambda: self.pick(LITERAL_STRINGS),
            lambda: f"{self.string_atom(sub)}.{self.pick(STRING_METHODS)}",
            lambda: f"{self.string_atom(sub)}|{self.pick(TEXT_FILTERS)}",
            lambda: f"({self.argument('string', sub)} ~ {self.expression(sub)})",
            lambda: f"({self.argument('string', sub)} + {self.argument('string', sub)})",
            lambda: f"({self.string(sub)} * {self.pick(['2', '0', '-1', 'n', 'f'])})",
            lambda: f"{self.string_atom(sub)}{self.slice(sub)}",
            lambda: f"({self.pick(LITERAL_STRINGS)} % {self.percent(sub)})",
            lambda: f"{self.expression(sub)}|string", lambda: self.any(sub),
            lambda: f"{self.argument('list', sub)}|join({self.string(0)})",
            lambda: f"{self.string_atom(sub)}[{self.argument('number', 0)}]",
        ]
        return self.pick(choices)()

    def string_atom(self, level):
        text = self.string(level)
        return text if text[:1] in "'\"" or text.isidentifier() else f"({text})"

    def percent(self, level):
        return self.pick([f"({self.expression(level)}, {self.expression(level)})", f"({self.number(level)}, {self.number(level)})",
                          self.expression(level), "(1, 2)", "('a', none)", "n", "()"])

    def number(self, level):
        if level <= 0:
            return self.pick(NUMBERS + ["0", "1", "2", "3", "10", "1.5", "0.1", "1e3", "0x1f", "1_000", "0b11"])
        sub = level - 1
        operator = self.pick(["+", "-", "*", "/", "//", "%", "+", "-"])
        choices = [
            lambda: self.number(0), lambda: f"({self.argument('number', sub)} {operator} {self.argument('number', sub)})",
            lambda: f"{self.number(sub)} {operator} {self.number(sub)}",
            lambda: f"-{self.number(0)}", lambda: f"+{self.number(0)}", lambda: f"({self.number(0)}) ** {self.pick(['2', '3', '0', '-1'])}",
            lambda: f"{self.pick(NUMBERS)}|{self.pick(NUMBER_FILTERS)}", lambda: f"({self.expression(sub)})|length",
            lambda: f"({self.number(sub)})|{self.pick(NUMBER_FILTERS)}", lambda: self.any(sub),
            lambda: f"{self.list(sub)}|sum", lambda: f"-{self.number(0)}|abs", lambda: f"{self.expression(sub)}|int",
            lambda: f"{self.string_atom(sub)}|float", lambda: f"{self.pick(['true', 'yes', 'no'])} + {self.number(0)}",
        ]
        return self.pick(choices)()

    def list(self, level):
        if level <= 0:
            return self.pick(LISTS + ["[]", "[1, 2]", "(1, 'a')", "()", "(n,)", "['x', s]"])
        sub = level - 1
        choices = [
            lambda: self.pick(LISTS), lambda: self.list(0), lambda: f"{self.pick(LISTS)}|{self.pick(LIST_FILTERS)}",
            lambda: f"rows|{self.pick(LIST_FILTERS)}", lambda: f"{self.list(sub)}|{self.pick(LIST_FILTERS)}",
            lambda: f"[{', '.join(self.expression(sub) for _ in range(self.rng.randint(0, 3)))}]",
            lambda: f"({self.expression(sub)}, {self.expression(sub)})", lambda: f"({self.argument('list', sub)} + {self.list(sub)})",
            lambda: f"{self.pick(LISTS)}{self.slice(sub)}", lambda: f"{self.pick(LISTS)}.{self.pick(LIST_METHODS)}",
            lambda: f"{self.string_atom(sub)}|list", lambda: f"{self.string_atom(sub)}.split({self.string(0)})",
            lambda: f"{self.dict(sub)}|{self.pick(['items|list', 'list', 'dictsort'])}", lambda: self.any(sub),
            lambda: f"([1] * {self.number(0)})", lambda: f"range({self.number(0)})|list",
        ]
        return self.pick(choices)()

    def dict(self, level):
        if level <= 0:
            return self.pick(DICTS + ["{}", "{'k': 1}", "{'x': s, 2: n, none: []}", "{true: 1, 1: 2, 1.0: 3}"])
        sub = level - 1
        choices = [
            lambda: self.dict(0), lambda: f"{self.pick(DICTS)}.{self.pick(DICT_METHODS)}",
            lambda: f"{self.pick(DICTS)}|{self.pick(DICT_FILTERS)}", lambda: f"{self.dict(0)}|{self.pick(DICT_FILTERS)}",
            lambda: "{" + ", ".join(f"{self.pick(KEYS)}: {self.expression(sub)}" for _ in range(self.rng.randint(0, 3))) + "}",
            lambda: f"dict({self.pick(['a=1', 'd', 'd, a=5', '[(1, 2)]', 'xs', 'e'])})", lambda: self.any(sub),
        ]
        return self.pick(choices)()

    def boolean(self, level):
        if level <= 0:
            return self.pick(["yes", "no", "true", "false", "True", "n", "s", "nope", "xs", "empty", "nothing", "void", "not yes"])
        sub = level - 1
        choices = [
            lambda: self.boolean(0), lambda: f"{self.expression(sub)} is {self.pick(TESTS)}",
            lambda: f"{self.pick(ANY)} is {self.pick(TESTS)}", lambda: f"({self.expression(sub)}) is not {self.pick(TESTS)}",
            lambda: f"({self.argument('number', sub)} {self.pick(COMPARISONS[:6])} {self.argument('number', sub)})",
            lambda: f"({self.number(sub)} {self.pick(COMPARISONS[:6])} {self.number(sub)} {self.pick(COMPARISONS[:6])} {self.number(sub)})",
            lambda: f"({self.expression(sub)} {self.pick(['==', '!='])} {self.expression(sub)})",
            lambda: f"({self.string(sub)} {self.pick(COMPARISONS)} {self.string(sub)})",
            lambda: f"({self.expression(sub)} {self.pick(['in', 'not in'])} {self.list(sub)})",
            lambda: f"not {self.boolean(sub)}", lambda: f"({self.boolean(sub)} and {self.boolean(sub)})",
            lambda: f"({self.boolean(sub)} or {self.boolean(sub)})", lambda: f"{self.pick(ANY)} in {self.pick(['d', 'xs', 'names', 's', 'mixed'])}",
            lambda: f"({self.list(sub)} {self.pick(COMPARISONS)} {self.list(sub)})",
        ]
        return self.pick(choices)()

    # Statements.

    def tag(self, text):
        begin = self.pick(["{%", "{%", "{%-", "{%-", "{%+"])
        end = self.pick(["%}", "%}", "-%}", "-%}", "+%}"])
        return f"{begin} {text} {end}"

    def text(self):
        return self.pick(["", " ", "\n", "\n\n", "  \n  ", "a", "text ", "\n  x\n", "\t", "{ }", "é\n", "  ", "\r\n", "#} %}", "'q'", "{", "-\n"])

    def output(self):
        begin, end = self.pick([("{{", "}}"), ("{{", "}}"), ("{{-", "-}}"), ("{{-", "}}"), ("{{", "-}}"), ("{{+", "}}")])
        expression = self.expression(self.rng.randint(0, 3))
        return f"{begin} {expression} {end}" if self.chance(0.9) else f"{begin} {expression}, {self.expression(1)} {end}"

    def body(self, size=3):
        self.depth += 1
        parts = []
        for _ in range(self.rng.randint(1, size)):
            parts.append(self.text())
            parts.append(self.statement())
        parts.append(self.text())
        self.depth -= 1
        return "".join(parts)

    def statement(self):
        simple = [self.output, self.output, self.output, self.set, self.set, self.comment, self.raw, self.text, self.namespace,
                  self.loop_value, self.output_name]
        nested = [self.branch, self.branch, self.loop, self.loop, self.loop, self.macro, self.block_set, self.filter_block,
                  self.with_block, self.call_block, self.recursive_loop, self.generation]
        return self.pick(simple + (nested if self.depth < 4 else []))()

    def output_name(self):
        return "{{ " + self.pick(self.names + ["nope", "v0", "v1"]) + " }}"

    def comment(self):
        return self.pick(["{# c #}", "{#- c -#}", "{# {{ n }} #}\n", "{#+ x +#}", "  {# c #}\n", "{#- {% if %} #}"])

    def raw(self):
        return self.pick(["{% raw %}{{ x }}{% endraw %}", "{%- raw -%} {% if %} {%- endraw -%}", "{% raw %}\n  a\n  {% endraw %}\n"])

    def set(self):
        name = self.fresh()
        if self.chance(0.15):
            other = self.fresh()
            code = self.tag(f"set {name}, {other} = {self.pick(['1, 2', 'nested[0]', 'xs', self.expression(1), '(s, n)'])}")
            self.names += [name, other]
            return code
        code = self.tag(f"set {name} = {self.expression(2)}")
        self.names.append(name)
        return code

    def namespace(self):
        return (self.tag(f"set ns = namespace({self.pick(['', 'a=1', 'a=0, b=s', 'd', 'a=xs'])})") + self.tag("set ns.a = " + self.expression(1)) +
                self.pick(["{{ ns.a }}", "{{ ns.b }}", "{{ ns['a'] }}", "{% for q in xs %}{% set ns.a = q %}{% endfor %}{{ ns.a }}", "{{ ns }}", "{% set ns._x = 1 %}"]))

    def loop_value(self):
        return "{{ " + self.pick(["loop.index", "loop.index0", "loop.first", "loop.last", "loop.length", "loop.revindex", "loop.revindex0", "loop.previtem",
                                  "loop.nextitem", "loop.cycle('a', 'b')", "loop.changed(n)", "loop.depth", "loop.nope", "loop", "loop.previtem is defined",
                                  "loop.nextitem|default('end')"]) + " }}"

    def branch(self):
        parts = [self.tag("if " + self.boolean(2)), self.body(2)]
        for _ in range(self.rng.choice([0, 0, 1])):
            parts += [self.tag("elif " + self.boolean(2)), self.body(2)]
        if self.chance(0.5):
            parts += [self.tag("else"), self.body(2)]
        return "".join(parts + [self.tag("endif")])

    def loop(self):
        target, iterable = self.pick([("q", self.list(1)), ("q", "rows"), ("q", "xs"), ("q", self.string(0)), ("k, w", "d.items()"), ("k, w", "nested"),
                                      ("k, w", "d|dictsort"), ("q", self.dict(0)), ("q", "range(3)"), ("q", "nope"), ("k, w", self.list(1)),
                                      ("q", "names|map('upper')"), ("q", "rows|selectattr('v', 'gt', 1)"), ("q", "n"), ("q", "1, 2, 3"), ("(k, w)", "nested")])
        condition = f" if {self.pick([self.boolean(1), 'q is defined', 'q', 'q != 3', 'loop', 'q is string'])}" if self.chance(0.25) else ""
        known, loops = list(self.names), self.loops
        self.names += target.strip("()").split(", ")
        self.loops += 1
        control = ""
        if self.chance(0.2):
            control = "{% if " + self.pick([self.boolean(1), "loop.index > 1", "loop.last"]) + " %}" + self.tag(self.pick(["break", "continue"])) + "{% endif %}"
        inner = self.pick(["", self.loop_value(), self.loop_value()]) + control + self.body(3)
        self.names, self.loops = known, loops
        otherwise = self.tag("else") + self.body(2) if self.chance(0.2) else ""
        return self.tag(f"for {target} in {iterable}{condition}") + inner + otherwise + self.tag("endfor")

    def recursive_loop(self):
        return (self.tag(f"for q in tree{self.pick(['', '', ' if q.t'])} recursive") + "{{ q.t }}" + self.pick(["", "{{ loop.depth }}", "{{ loop.index }}"]) + self.text() +
                "{% if q.kids %}" + self.pick(["({{ loop(q.kids) }})", "{{ loop(q.kids)|upper }}"]) + "{% endif %}" + self.tag("endfor"))

    def macro(self):
        name = f"mac{self.counter % 3}"
        self.counter += 1
        signature, arguments = self.pick([("", ""), ("a", "1"), ("a, b=2", "s"), ("a, b=a", "n"), ("a='x', b=none", "b=xs"), ("a", ""), ("a", "1, 2"),
                                          ("a", "a=3"), ("", "1, z=2"), ("a, b=1", "*[1, 2]"), ("a, b=1", "**{'a': 4}"), ("a", "b=2")])
        known = list(self.names)
        self.names += ["a", "b"]
        special = self.pick(["", "", "{{ varargs }}", "{{ kwargs }}", "{{ caller() if caller is defined else 'nobody' }}", "{{ a }}"])
        code = self.tag(f"macro {name}({signature})") + special + self.body(2) + self.tag("endmacro")
        self.names = known
        self.macros.append(name)
        return code + self.pick(["", "{{ %s(%s) }}" % (name, arguments), "{{ %s(%s)|upper }}" % (name, arguments), "{{ %s.name }}{{ %s.arguments }}" % (name, name)])

    def call_block(self):
        macro = self.pick(["{% macro cb(x=1) %}<{{ caller() }}{{ x }}>{% endmacro %}", "{% macro cb(x=1) %}[{{ caller(x, 2) }}]{% endmacro %}",
                           "{% macro cb(x=1) %}{{ x }}{% endmacro %}", "{% macro cb(x=1) %}{{ caller is defined }}{% endmacro %}"])
        return macro + self.tag(self.pick(["call cb()", "call(y) cb(5)", "call(y, w=3) cb(x=s)", "call(a, b) cb()"])) + self.body(2) + self.tag("endcall")

    def block_set(self):
        name = self.fresh()
        filters = self.pick(["", "", "|upper", " | trim | length", "|indent(2)"])
        code = self.tag(f"set {name}{filters}") + self.body(2) + self.tag("endset")
        self.names.append(name)
        return code

    def filter_block(self):
        return self.tag("filter " + self.pick(["upper", "trim|title", "indent(3, true)", "replace('a', 'o')", "length", "nosuch", "tojson"])) + self.body(2) + self.tag("endfilter")

    def with_block(self):
        known = list(self.names)
        self.names.append("wa")
        code = self.tag("with " + self.pick(["wa = 1", "wa = s, wb = wa", "wa = xs|length", "wa, wb = nested[0]", ""])) + self.body(2) + self.tag("endwith")
        self.names = known
        return code

    def generation(self):
        return self.tag("generation") + self.body(2) + self.tag("endgeneration")


def mutate(rng, text):
    """Damages a program: syntax errors must be errors on both sides."""
    if not text:
        return "{% if %}"
    at = rng.randrange(len(text))
    return rng.choice([lambda: text[:at] + text[at + 1:], lambda: text[:at] + rng.choice("{}%|()[].,-+'\"#~") + text[at:],
                       lambda: text[:at], lambda: text[:at] + text[at:at + 6] * 2 + text[at + 6:]])()


def program(rng):
    text = Generator(rng).body(rng.choice([1, 1, 2]))
    return mutate(rng, text) if rng.random() < 0.08 else text
