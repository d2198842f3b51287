"""Secrets told by what stands before them: the rules by context of docs/SCANNERS.md, read from the page."""

import functools
import itertools
import math
import pathlib
import random
import re
import string
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

PAGE = (pathlib.Path(__file__).parent.parent / "docs" / "SCANNERS.md").read_text()
ALNUM = "A-Za-z0-9"
CLASSES = {
    "alnum": ALNUM,
    "digit": "0-9",
    "hex": "0-9A-Fa-f",
    "urlsafe": ALNUM + r"_\-",
    "urlsafe=": ALNUM + r"_\-=",
    "alnum-": ALNUM + r"\-",
    "azure": ALNUM + "_.~",
    "azure-": ALNUM + r"_.~\-",
    "base64url": ALNUM + r"_\-+/=",
    "header": ALNUM + r"_\-+/=.~@",
    "alnum%": ALNUM + "%",
    "sendgrid": ALNUM + r"_\-=.",
    "dash": r"_\-",
    "path": ALNUM + "+/",
    "equals": "=",
    "visible": r"!#-&(-\[\]-_a-~",
}
J = r"[:=>,'\"`\\ \t\r\n]"
BEHIND = rb"(?![A-Za-z0-9_\-+/=~@])(?!\.[A-Za-z0-9])"


@dataclass(frozen=True)
class Form:
    """What a value looks like: its parts as the page has them, and whether anything may stand behind it."""

    parts: tuple[str, ...]
    is_open: bool

    @functools.cached_property
    def pattern(self) -> re.Pattern[bytes]:
        """Possessive: a part takes what it can and gives nothing back."""
        text = b""
        for part in self.parts:
            if part.startswith('"'):
                text += re.escape(_literal(part).encode())
            else:
                name, count = part.rsplit(":", 1)
                text += f"[{CLASSES[name]}]{{{count.replace('-', ',')}}}{'+' if '-' in count else ''}".encode()
        return re.compile(b"(" + text + b")" + (b"" if self.is_open else BEHIND))


@dataclass(frozen=True)
class Rule:
    """A row of the table."""

    kind: str
    words: tuple[str, ...]
    is_test: bool
    forms: tuple[Form, ...]
    bits: float


def _literal(part: str) -> str:
    return part[1:-1].replace("\\x7c", "|")


def _rules() -> Iterator[Rule]:
    table = PAGE.split("| kind | words |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    for line in table:
        _, kind, words, forms, bits, _ = (cell.strip() for cell in line.split("|"))
        parts = [form.split(" ") for form in forms.strip("`").split(" or ")]
        yield Rule(
            kind,
            tuple(re.findall("`([^`]+)`", words)),
            words == "*test*",
            tuple(Form(tuple(part for part in form if part != "open"), "open" in form) for form in parts),
            float(bits),
        )


RULES = tuple(_rules())
KINDS = tuple(rule.kind for rule in RULES)
LISTS = {name: words.split(" ") for name, words in re.findall(r"^- (strong|owners|weak|placeholders): (.*)$", PAGE, re.MULTILINE)}


def _entropy(value: bytes) -> float:
    return -sum(count / len(value) * math.log2(count / len(value)) for count in Counter(value).values())


def _is_written(piece: str) -> bool:
    letters, capitals = sum(map(str.isalpha, piece)), sum(map(str.isupper, piece))
    changes = sum(a.isdigit() != b.isdigit() for a, b in itertools.pairwise(piece))
    return letters == 0 or (len(piece) <= 32 and changes <= 2 and (capitals == letters or capitals * 3 <= letters))


def _holds(rule: Rule, value: bytes) -> bool:
    if not re.search(rb"[0-9]", value) or _entropy(value) < rule.bits - 1e-9:
        return False
    text = value.decode()
    if rule.kind == "curl-auth-user":
        name, _, password = text.partition(":")
        secret = password or name
        return len(secret) >= 3 and re.search("[0-9]", secret) is not None and secret[0] not in "$<[{*%"
    if rule.kind == "generic-api-key":
        text = text.removesuffix(".")
        pieces = re.findall("[A-Za-z0-9]+", text)
        is_placeholder = any(word in text.lower() for word in LISTS["placeholders"])
        is_random = re.search("[A-Za-z]", text) and _entropy(text.encode()) >= 3.5 - 1e-9
        return bool(is_random) and not is_placeholder and not all(map(_is_written, pieces))
    return True


@dataclass(frozen=True)
class Scene:
    """What stands before a start: the head, the key with the character before it, and the joint."""

    head: str
    before: str
    key: str
    joint: str

    @property
    def is_sentence(self) -> bool:
        return not re.search("[=:>,|]", self.joint) and self.key.lower().endswith(" is")

    @property
    def has_operator(self) -> bool:
        return self.is_sentence or re.search("[=:>,|]", self.joint) is not None

    @property
    def is_assigned(self) -> bool:
        return self.is_sentence or re.search("[=:>]", self.joint) is not None

    @property
    def name(self) -> str:
        return self.key[:-3] if self.is_sentence else self.key

    def starts(self) -> list[int]:
        """Where words begin in the key."""
        begins = "(?<![A-Za-z])[A-Za-z]|(?<=[a-z])[A-Z]|[A-Z](?=[a-z])"
        text, shift = self.before + self.name, len(self.before)
        return [found.start() - shift for found in re.finditer(f"(?=(?:{begins}))", text) if found.start() >= shift]

    def has_word(self, words: tuple[str, ...]) -> bool:
        key = self.name.lower()
        return self.has_operator and any(
            key.startswith(word, at) and len(key) - at - len(word) <= 32 for at in self.starts() for word in words
        )

    def is_secret_key(self) -> bool:
        starts = self.starts()
        words = [re.match("[A-Za-z]*", self.name[at:end])[0].lower() for at, end in itertools.pairwise([*starts, len(self.name)])]
        pairs = zip(["", *words], words, strict=False)
        return not set(words) & set(LISTS["weak"]) and any(
            word in LISTS["strong"] or (word == "key" and owner in LISTS["owners"]) for owner, word in pairs
        )

    def passes(self, kind: str) -> bool:
        head, quoted = self.head, self.head.endswith(("'", '"', "`"))
        if kind == "curl-auth-header":
            schemes = f"(?i)authorization{J}+(?:bearer|basic|token|apikey|api-key){J}*$"
            headers = f"(?i:authorization|x-api-key|x-api-token|x-auth-token|x-access-token){J}*$"
            options = f"(?:-H|--header)[ \\t\\r\\n=]*['\"][A-Za-z0-9\\-]*(?i:key|token){J}*$"
            return bool(re.search(schemes, head)) or (self.has_operator and bool(re.search(f"{headers}|{options}", head)))
        if kind == "curl-auth-user":
            option = r"curl(?s:.*)[ \t\r\n](?:--user=[^ \t\r\n]*|(?:-u|--user)[ \t\r\n]+[^ \t\r\n]*)\Z"
            return bool(re.search(option, head)) and not head.endswith(("$", "${", "%{", "{{"))
        if kind == "kubernetes-secret-yaml":
            return self.has_operator and bool(re.search(f"(?is)kind:{J}*secret.*data:", head))
        if kind == "nuget-config-password":
            return bool(re.search(rf"(?is)<add key=.*password{J}*value{J}*\Z", head))
        if kind == "password":
            return quoted and self.is_assigned and bool(re.search(r"(?i)password[ \t]*\Z", self.name))
        return (self.is_assigned or (self.has_operator and quoted)) and self.is_secret_key()


def _scene(text: bytes) -> Scene | None:
    head = "".join(chr(byte) if byte < 128 else "\x01" for byte in text[-256:])
    joint = re.search(r"[=:>,|+?()\[\]'\"`\\ \t\r\n]{0,24}\Z", head)[0]
    before = head[: len(head) - len(joint)]
    key = re.search(r"[A-Za-z0-9_\-. \t]{0,64}\Z", before)[0]
    return Scene(head, before[: len(before) - len(key)][-1:], key, joint) if joint else None


_START = re.compile(rb"(?<![A-Za-z0-9_\-.~])[A-Za-z0-9_\-]")


def find(text: bytes) -> Iterator[tuple[int, int, str]]:
    """At every start the first rule that matches: start, end, kind."""
    for start in (found.start() for found in _START.finditer(text)):
        scene = _scene(text[:start][-256:])
        for rule in RULES:
            fits = (form.pattern.match(text, start) for form in rule.forms)
            value = next((found[1] for found in fits if found and _holds(rule, found[1])), None)
            if value is None or (scene is None and (rule.words or rule.is_test)):
                continue
            if scene and (rule.is_test and not scene.passes(rule.kind) or rule.words and not scene.has_word(rule.words)):
                continue
            yield start, start + len(value), rule.kind
            break


_CLUES = {
    "curl-auth-header": "Authorization: Bearer ",
    "curl-auth-user": "curl -u ",
    "kubernetes-secret-yaml": "kind: Secret\ndata:\n  ca: ",
    "nuget-config-password": '<add key="Password" value="',
    "password": 'password = "',
    "generic-api-key": "api_token=",
}
_ALPHABETS = {"hex": "0123456789abcdef", "digit": string.digits, "dash": "_-", "equals": "="}


def example(kind: str) -> tuple[str, str]:
    """A clue and a value of the kind, drawn with a fixed seed."""
    rule = RULES[KINDS.index(kind)]
    for seed in range(1000):
        draw = random.Random(f"{kind}{seed}")
        value = ""
        for part in draw.choice(rule.forms).parts:
            name, count = part.rsplit(":", 1) if not part.startswith('"') else (part, "0")
            least, _, most = count.partition("-")
            alphabet = _ALPHABETS.get(name, string.ascii_letters + string.digits)
            length = draw.randint(int(least), min(int(most or least), int(least) + 20))
            value += _literal(part) if part.startswith('"') else "".join(draw.choices(alphabet, k=length))
        clue = _CLUES.get(kind, f"{rule.words[0]} = " if rule.words else "")
        if (0, len(value)) in {(start - len(clue), end - len(clue)) for start, end, of in find((clue + value).encode()) if of == kind}:
            return clue, value
    raise ValueError(kind)
