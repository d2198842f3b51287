"""Personal data by form and words, written a second time from docs/SCANNERS.md: tables are read from the page, forms are regular
expressions over the whole text, check digits are computed from numbers and not byte by byte."""

import functools
import hashlib
import pathlib
import re
from collections.abc import Callable, Iterator

Spans = Iterator[tuple[int, int]]

PAGE = (pathlib.Path(__file__).parent.parent / "docs" / "SCANNERS.md").read_text()


def _table(head: str) -> list[list[str]]:
    lines = PAGE.split(head, 1)[1].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def _list(start: str, end: str) -> list[str]:
    return PAGE.split(start, 1)[1].split(end, 1)[0].split()


TOPICS: dict[bytes, set[str]] = {}
for _topic, _words in _table("| topic | words |"):
    for _word in _words.split():
        TOPICS.setdefault(_word.encode(), set()).add(_topic)

_WORD = re.compile(rb"[A-Za-z0-9\x80-\xff]+")


def words_before(text: bytes, at: int) -> list[bytes]:
    """The words in the 64 bytes before an offset, the nearest first."""
    found = [word for word in _WORD.finditer(text, max(0, at - 65), at) if word.start() >= at - 64]
    return [word.group() for word in reversed(found)]


def named(text: bytes, at: int) -> set[str]:
    topics: set[str] = set()
    for word in words_before(text, at):
        if re.search(rb"[0-9]", word):
            break
        topics |= TOPICS.get(word.lower(), set())
    return topics


def call(text: bytes, at: int) -> str:
    is_number = False
    for word in words_before(text, at):
        topics = TOPICS.get(word.lower(), set())
        for topic in ("phone", "other", "call"):
            if topic in topics:
                return topic
        is_number |= "number" in topics
    return "number" if is_number else ""


def is_version(text: bytes, at: int) -> bool:
    for word in words_before(text, at)[:2]:
        if re.search(rb"[0-9]", word):
            return False
        if "version" in TOPICS.get(word.lower(), set()):
            return True
    return False


def apart(text: bytes, start: int, end: int) -> bool:
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    return not (re.search(rb"[A-Za-z0-9_$]\Z|[A-Za-z0-9_][./,+@&~\-]\Z", before) or re.match(rb"[A-Za-z0-9_]|[./,+@&~\-][A-Za-z0-9_]", after))


def _digits(number: str) -> list[int]:
    return [int(letter, 36) for letter in number]


def _weigh(number: str, weights: list[int]) -> int:
    return sum(digit * weight for digit, weight in zip(_digits(number), weights, strict=False))


def _luhn(number: str) -> bool:
    return sum(sum(divmod(digit * (1 + place % 2), 10)) for place, digit in enumerate(reversed(_digits(number)))) % 10 == 0


def _date(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= 31


def _icao(number: str) -> bool:
    body = number[:-1].replace("<", "0")
    return number[-1:].isdigit() and _weigh(body, [7, 3, 1] * 20) % 10 == int(number[-1])


def _de_tax_id(n: str) -> bool:
    counts = sorted(n[:10].count(digit) for digit in set(n[:10]))
    product = 10
    for digit in _digits(n[:10]):
        product = 2 * ((digit + product) % 10 or 10) % 11
    return n[0] != "0" and counts[-1] in (2, 3) and counts[:-1] == [1] * (len(counts) - 1) and int(n[10]) == (11 - product) % 10


def _fr_nir(n: str) -> bool:
    if not re.fullmatch(r"[123478]..(0[1-9]|1[0-2]|20|3[0-9]|4[0-2]|[5-9].)([0-9]{2}|2A|2B)[0-9]{8}", n):
        return False
    return int(n[:13].replace("A", "@").replace("2@", "19").replace("2B", "18")) % 97 == 97 - int(n[13:])


def _it_fiscal_code(n: str) -> bool:
    d = "[0-9LMNPQRSTUV]"
    plain = n.translate(str.maketrans("LMNPQRSTUV", "0123456789"))
    day = plain[9:11]
    if not re.fullmatch(f"[A-Z]{{6}}{d}{d}[ABCDEHLMPRST]{d}{d}[A-Z]{d}{{3}}[A-Z]", n) or not (1 <= int(day) <= 31 or 41 <= int(day) <= 71):
        return False
    odd = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                   [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23],
                   strict=True))  # fmt: skip
    even = {letter: int(letter) if letter.isdigit() else ord(letter) - 65 for letter in odd}
    total = sum((even if place % 2 else odd)[letter] for place, letter in enumerate(n[:15]))
    return chr(65 + total % 26) == n[15]


def _ro_cnp(n: str) -> bool:
    county = int(n[7:9])
    total = _weigh(n, [2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11
    return n[0] != "0" and _date(int(n[3:5]), int(n[5:7])) and (1 <= county <= 48 or county in (51, 52, 70)) and int(n[12]) == (1 if total == 10 else total)


def _cz(n: str) -> bool:
    month = int(n[2:4])
    month -= 50 if month > 50 else 0
    month -= 20 if month > 20 else 0
    return _date(month, int(n[4:6])) and int(n[:9]) % 11 % 10 == int(n[9])


def _se(n: str) -> bool:
    day = int(n[-6:-4])
    return (len(n) == 10 or n[:2] in ("18", "19", "20")) and _date(int(n[-8:-6]), day - 60 if day > 60 else day) and _luhn(n[-10:])


def _be(n: str) -> bool:
    fits = int(n[2:4]) % 20 <= 12 and int(n[4:6]) <= 31
    return fits and int(n[9:]) in (97 - int(n[:9]) % 97, 97 - int("2" + n[:9]) % 97)


def _uk_nhs(n: str) -> bool:
    check = 11 - _weigh(n, list(range(10, 1, -1))) % 11
    return len(set(n)) > 1 and check != 10 and check % 11 == int(n[9])


def _pt_nif(n: str) -> bool:
    check = 11 - _weigh(n, list(range(9, 1, -1))) % 11
    return n[0] in "1234" and (0 if check > 9 else check) == int(n[8])


_ES = "TRWAGMYFPDXBNJZSQVHLCKE"
CHECKS: dict[str, Callable[[str], bool]] = {
    "us-itin": lambda n: n[0] == "9" and int(n[3:5]) in {*range(50, 66), *range(70, 89), *range(90, 93), *range(94, 100)},
    "us-npi": lambda n: n[0] in "12" and _luhn("80840" + n),
    "dea": lambda n: n[0] in "ABCDEFGHJKLMPRSTUX" and _weigh(n[2:8], [1, 2] * 3) % 10 == int(n[8]),
    "de-tax-id": _de_tax_id,
    "de-id-card": lambda n: bool(re.fullmatch("[CFGHJKLMNPRTVWXY][0-9CFGHJKLMNPRTVWXYZ]*", n)) and _icao(n),
    "fr-nir": _fr_nir,
    "it-fiscal-code": _it_fiscal_code,
    "es-nif": lambda n: len(set(n[:8])) > 1 and _ES[int(n[:8]) % 23] == n[8],
    "es-nie": lambda n: n[0] in "XYZ" and _ES[int(str("XYZ".index(n[0])) + n[1:8]) % 23] == n[8],
    "pl-pesel": lambda n: _date(int(n[2:4]) % 20, int(n[4:6])) and _weigh(n, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]) % 10 == 0,
    "ro-cnp": _ro_cnp,
    "nl-bsn": lambda n: len(set(n)) > 1 and _weigh(n, list(range(9, 1, -1))) % 11 == int(n[8]),
    "be-national-number": _be,
    "cz-birth-number": _cz,
    "se-personnummer": _se,
    "pt-nif": _pt_nif,
    "gr-amka": lambda n: _date(int(n[2:4]), int(n[:2])) and _luhn(n),
    "gr-afm": lambda n: len(set(n)) > 1 and _weigh(n, [2**p for p in range(8, 0, -1)]) % 11 % 10 == int(n[8]),
    "uk-nhs": _uk_nhs,
    "uk-nino": lambda n: bool(re.fullmatch("(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]", n)),
}

_LAYOUTS: dict[str, list[tuple[re.Pattern[bytes], list[set[str]], str]]] = {}
for _kind, _cell, _needs, _check in _table("| kind | layouts | words before | check |"):
    for _layout in re.findall("`([^`]+)`", _cell):
        _form = "".join({"9": "[0-9]", "A": "[A-Z]", "X": "[A-Z0-9]"}.get(letter, re.escape(letter)) for letter in _layout)
        _sets = [] if _needs == "–" else [set(part.split(" + ")) for part in _needs.split(" or ")]
        _LAYOUTS.setdefault(_kind, []).append((re.compile(f"(?<![A-Za-z0-9])(?=({_form})(?![A-Za-z0-9]))".encode()), _sets, _check))


def _layouts(kind: str, text: bytes) -> Spans:
    for form, needs, check in _LAYOUTS[kind]:
        for found in form.finditer(text):
            start, end = found.span(1)
            number = re.sub(rb"[^A-Z0-9]", b"", found[1]).decode()
            if apart(text, start, end) and (not needs or any(need <= named(text, start) for need in needs)) and CHECKS[check](number):
                yield start, end


def _plain(fewest: int, most: int, needs: list[set[str]], text: bytes) -> Spans:
    for found in re.finditer(rb"[A-Za-z0-9]+", text):
        start, end = found.span()
        n_digits = len(re.findall(rb"[0-9]", found[0]))
        if fewest <= end - start <= most and n_digits >= 5 and apart(text, start, end) and any(need <= named(text, start) for need in needs):
            yield start, end


def _passport(text: bytes) -> Spans:
    yield from _plain(8, 9, [{"passport"}], text)
    for found in re.finditer(rb"(?<![A-Za-z0-9_<])(?!<)([A-Z0-9<]{44}|[A-Z0-9<]{36})(?![A-Za-z0-9_<])", text):
        line = found[0].decode()
        if all(_icao(part) for part in (line[:10], line[13:20], line[21:28])) and (line[13:19] + line[21:27]).isdigit():
            yield found.span()


_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|aug|sept|sep|oct|nov|dec"
_DATES = [
    re.compile(form.encode(), re.IGNORECASE)
    for form in (
        r"(?P<a>[0-9]{1,2})(?P<s>[/.\-])(?P<b>[0-9]{1,2})(?P=s)(?P<y>[0-9]{4}|[0-9]{2})(?![0-9])",
        r"(?P<y>[0-9]{4})(?P<s>[/.\-])(?P<m>[0-9]{1,2})(?P=s)(?P<d>[0-9]{1,2})(?![0-9])",
        rf"(?P<d>[0-9]{{1,2}})(?:st|nd|rd|th)? (?:{_MONTHS})(?![a-z]),? (?P<y>[0-9]{{4}})(?![0-9])",
        rf"(?:{_MONTHS}) (?P<d>[0-9]{{1,2}})(?:st|nd|rd|th)?,? (?P<y>[0-9]{{4}})(?![0-9])",
    )
]


def _birth(text: bytes) -> Spans:
    for start in (found.start() for found in re.finditer(rb"(?<![A-Za-z0-9_])[A-Za-z0-9]", text)):
        for form in _DATES:
            found = form.match(text, start)
            if not found:
                continue
            part = {name: int(value) for name, value in found.groupdict().items() if name != "s"}
            fits = 1850 <= part["y"] <= 2099 or len(found["y"]) == 2
            if "a" in part:
                fits &= 1 <= min(part["a"], part["b"]) <= 12 and 1 <= max(part["a"], part["b"]) <= 31
            else:
                fits &= 1 <= part["d"] <= 31 and 1 <= part.get("m", 1) <= 12
            if fits and "birth" in named(text, start) and apart(text, start, found.end()):
                yield found.span()


_B58 = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_B32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def _is_base58(word: bytes) -> bool:
    value = functools.reduce(lambda value, letter: value * 58 + _B58.index(letter), word, 0)
    if value >= 1 << 200:
        return False
    data = value.to_bytes(25, "big")
    ones, zeros = len(word) - len(word.lstrip(b"1")), len(data) - len(data.lstrip(b"\0"))
    check = hashlib.sha256(hashlib.sha256(data[:21]).digest()).digest()[:4]
    return ones == zeros and data[0] in (0, 5, 16, 22, 30, 48, 50, 65, 76) and check == data[21:]


def _is_bech32(word: str) -> bool:
    if word.lower() != word != word.upper():
        return False
    human, _, data = word.lower().partition("1")
    if human not in ("bc", "ltc", "tb") or set(data) - set(_B32):
        return False
    values = [ord(letter) >> 5 for letter in human] + [0] + [ord(letter) & 31 for letter in human] + [_B32.index(letter) for letter in data]
    state = 1
    for value in values:
        top, state = state >> 25, (state & 0x1FFFFFF) << 5 ^ value
        for bit, word_of in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            state ^= word_of if top >> bit & 1 else 0
    return state == (1 if data.startswith("q") else 0x2BC830A3)


def keccak256(data: bytes) -> bytes:
    """Keccak as Ethereum uses it: the padding is not that of SHA-3."""
    mask = (1 << 64) - 1
    turn = lambda lane, by: (lane << by | lane >> (64 - by)) & mask if by % 64 else lane  # noqa: E731
    block = bytearray(data + b"\x01" + bytes(135 - len(data)))
    block[-1] |= 0x80
    lanes = {(at % 5, at // 5): int.from_bytes(block[8 * at : 8 * at + 8], "little") if at < 17 else 0 for at in range(25)}
    register = 1
    for _ in range(24):
        parity = [lanes[x, 0] ^ lanes[x, 1] ^ lanes[x, 2] ^ lanes[x, 3] ^ lanes[x, 4] for x in range(5)]
        lanes = {(x, y): lane ^ parity[(x + 4) % 5] ^ turn(parity[(x + 1) % 5], 1) for (x, y), lane in lanes.items()}
        (x, y), carried = (1, 0), lanes[1, 0]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            carried, lanes[x, y] = lanes[x, y], turn(carried, (step + 1) * (step + 2) // 2 % 64)
        lanes = {(x, y): lanes[x, y] ^ ~lanes[(x + 1) % 5, y] & lanes[(x + 2) % 5, y] for x, y in lanes}
        for power in range(7):
            register = (register << 1 ^ (register >> 7) * 0x71) % 256
            if register & 2:
                lanes[0, 0] ^= 1 << ((1 << power) - 1)
    return b"".join((lanes[at % 5, at // 5] & mask).to_bytes(8, "little") for at in range(4))


def _is_erc55(digits: str) -> bool:
    nibbles = keccak256(digits.lower().encode()).hex()
    return all(letter.isdigit() or letter.isupper() == (int(nibble, 16) > 7) for letter, nibble in zip(digits, nibbles, strict=False))


def _crypto(text: bytes) -> Spans:
    for found in re.finditer(rb"[A-Za-z0-9]+", text):
        start, end = found.span()
        word = found[0]
        if not (26 <= len(word) <= 35 or 42 <= len(word) <= 64) or not re.search(rb"[0-9]", word) or not apart(text, start, end):
            continue
        if re.fullmatch(rb"0x[0-9a-fA-F]{40}", word):
            digits = word[2:].decode()
            mixed = digits.lower() != digits != digits.upper()
            if _is_erc55(digits) if mixed else "wallet" in named(text, start):
                yield start, end
        elif (len(word) < 36 and not set(word) - set(_B58) and _is_base58(word)) or _is_bech32(word.decode()):
            yield start, end


_V4 = re.compile(
    rb"(?<![A-Za-z0-9_.])(?<![A-Za-z]-)(?<![^/]/)(?<!\A/)((?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(?<![^0-9]0[0-9])(?:\.(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])){3})"
    rb"(?![A-Za-z0-9_]|\.[A-Za-z0-9_]|-[A-Za-z])"
)
_V6 = re.compile(rb"(?<![A-Za-z0-9_:.\-])([0-9a-fA-F]{1,4}(?:::?[0-9a-fA-F]{1,4})*(?:::)?)(?![A-Za-z0-9_:]|[.\-][A-Za-z0-9_])")


def _ip(text: bytes) -> Spans:
    for found in _V4.finditer(text):
        numbers = found[1].split(b".")
        if any(len(number) > 1 and number[:1] == b"0" for number in numbers) or numbers[0] in (b"0", b"255") or found[1] == b"127.0.0.1":
            continue
        if not is_version(text, found.start()) and (max(map(int, numbers)) > 9 or "network" in named(text, found.start())):
            yield found.span()
    for found in _V6.finditer(text):
        groups = re.findall(rb"[0-9a-fA-F]+", found[1])
        first = int(groups[0], 16)
        given = 0x2000 <= first <= 0x3FFF or 0xFC00 <= first <= 0xFDFF or 0xFE80 <= first <= 0xFEBF or 0xFF00 <= first <= 0xFF0F
        if b"::" in found[1]:
            is_one = found[1].count(b"::") == 1 and len(groups) < 8 and len(groups[0]) == 4 and given
        else:
            is_one = len(groups) == 8 and any(len(group) != 2 for group in groups)
        if is_one:
            yield found.span()


_ENDINGS = _list("Endings: ", ".\n")
_FURTHER = _list("Further: ", ".\n")
_NO_DOMAINS = _list("Words of programs: ", ".\n")
_TOP = re.compile(rb"xn--.*|[A-Za-z]{2,24}", re.IGNORECASE)


def _domain(text: bytes) -> Spans:
    for run in re.finditer(rb"[A-Za-z0-9.\-]+", text):
        name = run[0].rstrip(b".-")
        labels = name.split(b".")
        start, end = run.start(), run.start() + len(name)
        fits = all(0 < len(label) < 64 and label.strip(b"-") == label for label in labels)
        if len(run[0]) > 253 or len(labels) < 2 or not fits:
            continue
        scheme = re.search(rb"(?<![A-Za-z0-9])(?:https?|ftp|wss?)://\Z", text[max(0, start - 9) : start], re.IGNORECASE)
        if scheme:
            if _TOP.fullmatch(labels[-1]):
                yield start - len(scheme[0]), end + bool(re.match(rb"/(?![A-Za-z0-9_~%?#&=+/@:\-])", text[end:]))
            continue
        if re.search(rb"[_@/\\$#&%~+]\Z|::\Z", text[max(0, start - 2) : start]) or re.match(rb"[_@(\[]", text[end:]):
            continue
        first, last = labels[0].lower().decode(), labels[-1].decode()
        if first == "www" and len(labels) > 2:
            is_one = bool(_TOP.fullmatch(labels[-1]))
        else:
            ending = last in _ENDINGS or (len(labels) > 2 and last in _FURTHER)
            is_one = ending and len(labels[-2]) > 1 and bool(re.search(rb"[A-Za-z]", labels[-2])) and first not in _NO_DOMAINS
        if is_one:
            yield start, end


_CODES = {code: tuple(map(int, lengths.split("-"))) for code, lengths in (word.split(":") for word in _list("Codes: ", ".\n"))}
_THREE = {
    code
    for part in _list("three digits (", ")")
    for code in range(int(part.split("–")[0]), int(part.split("–")[-1]) + 1)
}
_FIRST = re.compile(rb"(?<![A-Za-z0-9])[0-9]+")
_NEXT = re.compile(rb"(?P<gap>[ \-./]?)(?:\((?P<inside>[0-9]{1,5})\)|(?P<digits>[0-9]+))")
_EXTENSION = re.compile(rb" ?(?:x|ext\.? ?)[0-9]{1,6}(?![A-Za-z0-9_])", re.IGNORECASE)
_LABEL = re.compile(rb"[ \-(,:]{1,2}(office|fax|mobile|cell|tel|phone|telephone|telefon|telefax|handy|mobil)(?![A-Za-z0-9])", re.IGNORECASE)


def _is_international(digits: str) -> bool:
    for length in (1, 2):
        if digits[:length] in _CODES and len(digits) >= length:
            fewest, most = _CODES[digits[:length]]
            return len(digits) <= 15 and length + fewest <= len(digits) <= length + most
    return len(digits) <= 15 and digits[:3].isdigit() and int(digits[:3]) in _THREE and 9 <= len(digits) <= 14


def _phone_at(text: bytes, at: int) -> tuple[int, int] | None:  # noqa: C901, PLR0911, PLR0912
    first = _FIRST.match(text, at)
    word = re.match(rb"[A-Za-z0-9]+", text[at:])[0]
    groups, end = [first[0].decode()], first.end()
    if len(word) > 64 or len(groups[0]) > 18:
        return None
    closed = text[end : end + 1] == b")" and len(groups[0]) <= 5
    lead = text[max(0, at - 2) : at]
    if closed and lead in (b"+(", b"(+"):
        taken = 2
    elif closed and lead.endswith(b"("):
        taken = 1
    else:
        taken = 1 if lead.endswith(b"+") else 0
    plus, area = b"+" in text[at - taken : at], b"(" in text[at - taken : at]
    end += area
    gaps: list[bytes | None] = []
    while found := _NEXT.match(text, end):
        inside, digits = found["inside"], found["digits"]
        if digits is not None and (not found["gap"] and text[end - 1 : end] != b")" or len(digits) == 1 and len(groups) > 1):
            break
        groups.append((inside or digits).decode())
        gaps.append(found["gap"])
        end = found.end()
        if len(groups) > 8 or sum(map(len, groups)) > 18:
            return None
    number = "".join(groups)
    same = gaps[0] if gaps and gaps[0] and len(set(gaps)) == 1 else None
    extension = _EXTENSION.match(text, end)
    end = extension.end() if extension else end
    start = at - taken
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if re.search(rb"[A-Za-z0-9_$#@%&+]\Z", before) or re.match(rb"[A-Za-z0-9_%@]|[\-./,:=][0-9]", after):
        return None
    if not plus and re.search(rb"[A-Za-z0-9_][\-/]\Z", before) or not plus and not area and re.search(rb"[0-9][ .,:)(]\Z", before):
        return None
    if len(number) < 6:
        return None
    if plus and _is_international(number):
        return start, end
    if _is_something_else([len(group) for group in groups], [int(group[:9]) for group in groups], same, plus):
        return None
    bare = len(groups) == 1 and not plus
    told = call(text, start)
    if told == "phone" or _LABEL.match(text, end):
        fits = not bare or len(number) > 6
    elif told == "call":
        fits = 10 <= len(number) <= 13 and number[0] != "1" if bare else len(number) > 6 or len(groups) > 2
    elif told == "number":
        amount = len(number) != 9 and same in (b" ", b".") and len(groups[0]) < 4 and all(len(group) == 3 for group in groups[1:])
        fits = not bare and not amount
    else:
        fits = told == "" and not bare and _is_telling(groups, number, same, area, bool(extension))
    return (start, end) if fits else None


def _is_something_else(sizes: list[int], values: list[int], same: bytes | None, plus: bool) -> bool:
    year = [1900 <= value <= 2099 for value in values]
    small = [size in (1, 2) for size in sizes]
    return (
        (len(sizes) > 1 and sizes[0] == 4 and small[1] and year[0] and values[1] <= 12 and (len(sizes) == 2 or small[2]))
        or (len(sizes) == 3 and small[0] and small[1] and sizes[2] == 4 and year[2])
        or (sizes == [4, 4] and year[0] and year[1])
        or (sizes == [3, 2, 4] and not plus)
        or (len(sizes) == 4 and same == b"." and max(sizes) <= 3 and max(values) < 256)
        or (len(sizes) == 2 and same == b"." and sizes != [3, 4])
    )


def _is_telling(groups: list[str], number: str, same: bytes | None, area: bool, extension: bool) -> bool:
    sizes = [len(group) for group in groups]
    if extension and len(number) > 6:
        return True
    if number.startswith("00"):
        return same != b"." and _is_international(number[2:])
    exchange = [group[0] in "23456789" for group in groups]
    return (
        (sizes == [3, 3, 4] and (area or (same in (b"-", b".") and exchange[0] and exchange[1])))
        or (sizes == [1, 3, 3, 4] and groups[0] == "1" and same != b" " and exchange[2])
        or (area and sizes != [3, 3, 4] and 2 <= sizes[0] <= 5 and number[0] == "0" and 9 <= len(number) <= 12)
        or (sizes == [2] * 5 and not area and same is not None and number[0] == "0" and number[1] != "0")
    )


def _phone(text: bytes) -> Spans:
    for found in _FIRST.finditer(text):
        span = _phone_at(text, found.start())
        if span:
            yield span


FINDERS: dict[str, Callable[[bytes], Spans]] = {
    "IP_ADDRESS": _ip,
    "DOMAIN_NAME": _domain,
    "PHONE_NUMBER": _phone,
    "DATE_OF_BIRTH": _birth,
    "CRYPTO": _crypto,
    "PASSPORT": _passport,
    "US_DRIVER_LICENSE": functools.partial(_plain, 6, 13, [{"driver", "licence"}]),
    "MEDICAL_RECORD": functools.partial(_plain, 5, 12, [{"medical", "record"}, {"patient", "record"}]),
    **{kind: functools.partial(_layouts, kind) for kind in _LAYOUTS},
}
KINDS = (
    "IP_ADDRESS", "DOMAIN_NAME", "PHONE_NUMBER", "DATE_OF_BIRTH", "CRYPTO", "PASSPORT", "US_DRIVER_LICENSE", "US_ITIN", "US_NPI",
    "MEDICAL_LICENSE", "MEDICAL_RECORD", "DE_TAX_ID", "DE_ID_CARD", "FR_NIR", "IT_FISCAL_CODE", "ES_NIF", "ES_NIE", "PL_PESEL", "RO_CNP",
    "NL_BSN", "BE_NATIONAL_NUMBER", "CZ_BIRTH_NUMBER", "SE_PERSONNUMMER", "PT_NIF", "GR_AMKA", "GR_AFM", "UK_NHS", "UK_NINO",
)  # fmt: skip
"""In the order of the rules."""
