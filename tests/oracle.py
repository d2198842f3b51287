"""What must come out: redaction, written a second time from docs/SCANNERS.md alone.

Nothing here comes from the gate: patterns are Python's, JSON is read by Python's `json`, spans are found by whole-text regular
expressions. It is slow and simple on purpose. `without` leaves rules out, which is how the tests prove that they notice.
"""

import functools
import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import clues
import oracle_pii

Acts = dict[str, str]
"""Kind or group to act; what is not named has its default: secrets are redacted, personal data passes."""


@dataclass(frozen=True)
class Match:
    """One match: half-open byte offsets, the kind, its number in the page's order, and whether it is a token rule's."""

    start: int
    end: int
    kind: str
    number: int
    is_token: bool


ALNUM = "A-Za-z0-9"
WORD = ALNUM + "_"
URLSAFE = WORD + r"\-"
JWT = URLSAFE + r"+/=."


@dataclass(frozen=True)
class Shape:
    """A start of fixed words, at least `least` characters of a class of which some number differ, then all that follow."""

    starts: tuple[str, ...]
    not_after: str
    follow: str
    least: int
    distinct: int = 6

    @functools.cached_property
    def pattern(self) -> re.Pattern[bytes]:
        before = f"(?<![{self.not_after}])" if self.not_after else ""
        starts = "|".join(map(re.escape, self.starts))
        return re.compile(f"(?={before}(?P<all>(?:{starts})(?P<first>[{self.follow}]{{{self.least}}})[{self.follow}]*))".encode())

    def spans(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Every start at which it matches."""
        for found in self.pattern.finditer(text):
            if len(set(found["first"])) >= self.distinct:
                yield found.span("all")


def _slack(*starts: str) -> Shape:
    return Shape(starts, "", ALNUM + r"\-", 20)


def _digital_ocean(start: str) -> Shape:
    return Shape((start,), WORD, "0-9a-fA-F", 64)


def _github(*starts: str) -> Shape:
    return Shape(starts, "", ALNUM, 36)


TOKENS: dict[str, list[Shape]] = {
    "anthropic-api-key": [Shape(tuple(f"sk-ant-{word}" for word in ("api", "sid", "oat", "ort")), WORD, URLSAFE, 40)],
    "anthropic-admin-api-key": [Shape(("sk-ant-admin",), WORD, URLSAFE, 40)],
    "openai-api-key": [
        Shape(tuple(f"sk-{word}-" for word in ("proj", "svcacct", "admin", "None")), WORD, URLSAFE, 20),
        Shape(("sk-",), WORD, ALNUM, 32),
    ],
    "aws-access-token": [
        Shape(tuple(f"A{word}" for word in ("KIA", "SIA", "BIA", "CCA")), WORD, "A-Z0-9", 16),
        Shape(("A3T",), WORD, "A-Z0-9", 17),
    ],
    "github-fine-grained-pat": [Shape(("github_pat_",), "", WORD, 36)],
    "github-pat": [_github("ghp_")],
    "github-oauth": [_github("gho_")],
    "github-app-token": [_github("ghu_", "ghs_")],
    "github-refresh-token": [_github("ghr_")],
    "gitlab-pat": [Shape(("glpat-",), "", URLSAFE + ".", 20)],
    "gitlab-ptt": [Shape(("glptt-",), "", URLSAFE, 40)],
    "gitlab-runner-authentication-token": [Shape(("glrt-",), "", URLSAFE + ".", 20)],
    "slack-bot-token": [_slack("xoxb-")],
    "slack-config-access-token": [Shape(("xoxe.xoxb-", "xoxe.xoxp-"), "", ALNUM + r"\-", 100)],
    "slack-config-refresh-token": [Shape(("xoxe-1-",), "", ALNUM, 100)],
    "slack-user-token": [_slack("xoxp-", "xoxe-")],
    "slack-app-token": [_slack("xapp-")],
    "slack-webhook-url": [
        Shape(
            tuple(
                f"{scheme}hooks.slack.com/{word}/" for scheme in ("https://", "http://", "") for word in ("services", "workflows", "triggers")
            ),
            "",
            ALNUM + "+/",
            36,
        )
    ],
    "gcp-api-key": [Shape(("AIza",), WORD, URLSAFE, 35)],
    "stripe-access-token": [
        Shape(tuple(f"{side}k_{mode}_" for side in "sr" for mode in ("live", "test", "prod")), WORD, ALNUM, 10)
    ],
    "npm-access-token": [Shape(("npm_",), WORD, ALNUM, 36)],
    "pypi-upload-token": [Shape(("pypi-AgEIcHlwaS5vcmc", "pypi-AgENdGVzdC5weXBpLm9yZw"), "", URLSAFE, 50)],
    "huggingface-access-token": [Shape(("hf_",), WORD, ALNUM, 34)],
    "sendgrid-api-token": [Shape(("SG.",), WORD, URLSAFE + "=.", 66)],
    "twilio-api-key": [Shape(("SK",), WORD, "0-9a-fA-F", 32)],
    "digitalocean-pat": [_digital_ocean("dop_v1_")],
    "digitalocean-access-token": [_digital_ocean("doo_v1_")],
    "digitalocean-refresh-token": [_digital_ocean("dor_v1_")],
    "1password-secret-key": [Shape(("A3-",), WORD, r"A-Z0-9\-", 36)],
    "1password-service-account-token": [Shape(("ops_eyJ",), "", JWT, 100)],
    "adobe-client-secret": [Shape(("p8e-",), WORD, ALNUM, 32)],
    "age-secret-key": [Shape(("AGE-SECRET-KEY-1",), "", "A-Z0-9", 58)],
    "alibaba-access-key-id": [Shape(("LTAI",), WORD, ALNUM, 20)],
    "anyscale-api-key": [Shape(("aph0_", "esecret_",), WORD, ALNUM, 24)],
    "artifactory-api-key": [Shape(("AKCp",), WORD, ALNUM, 69)],
    "artifactory-reference-token": [Shape(("cmVmd",), WORD, ALNUM, 59)],
    "atlassian-api-token": [Shape(("ATATT3", "ATCTT3",), WORD, JWT, 100)],
    "aws-amazon-bedrock-api-key-long-lived": [Shape(("ABSK",), WORD, JWT, 109)],
    "aws-amazon-bedrock-api-key-short-lived": [Shape(("bedrock-api-key-",), "", JWT, 28)],
    "buildkite-api-token": [Shape(("bkua_",), WORD, ALNUM, 40)],
    "circleci-api-token": [Shape(("CCIPAT_",), WORD, WORD, 40)],
    "clickhouse-cloud-api-secret-key": [Shape(("4b1d",), WORD, ALNUM, 38)],
    "clojars-api-token": [Shape(("CLOJARS_",), "", ALNUM, 60)],
    "cloudflare-origin-ca-key": [Shape(("v1.0-",), WORD, ALNUM + r"\-", 171)],
    "databricks-api-token": [Shape(("dapi",), WORD, "0-9a-fA-F", 32)],
    "docker-access-token": [Shape(("dckr_pat_", "dckr_oat_",), "", URLSAFE, 27)],
    "doppler-api-token": [Shape(("dp.pt.", "dp.st.", "dp.sa.", "dp.ct.",), "", URLSAFE + ".", 40)],
    "duffel-api-token": [Shape(("duffel_test_", "duffel_live_",), "", URLSAFE + "=.", 43)],
    "dynatrace-api-token": [Shape(("dt0c01.", "dt0s01.", "dt0s16.",), "", URLSAFE + ".", 80)],
    "easypost-api-token": [Shape(("EZAK",), WORD, ALNUM, 54)],
    "easypost-test-api-token": [Shape(("EZTK",), WORD, ALNUM, 54)],
    "facebook-page-access-token": [Shape(("EAAM", "EAAC",), WORD, ALNUM, 100)],
    "figma-access-token": [Shape(("figd_",), "", URLSAFE, 40)],
    "flutterwave-secret-key": [Shape(("FLWSECK_TEST-", "FLWSECK-",), "", ALNUM + r"\-", 12)],
    "flutterwave-public-key": [Shape(("FLWPUBK_TEST-",), "", ALNUM + r"\-", 32)],
    "flyio-access-token": [Shape(("fo1_", "fm1a_", "fm1r_", "fm2_",), WORD, JWT, 43)],
    "frameio-api-token": [Shape(("fio-u-",), "", URLSAFE + "=.", 64)],
    "gcp-oauth-access-token": [Shape(("ya29.",), WORD, URLSAFE + ".", 40)],
    "gcp-oauth-client-secret": [Shape(("GOCSPX-",), "", URLSAFE, 28)],
    "gitlab-cicd-job-token": [Shape(("glcbt-",), "", URLSAFE, 20)],
    "gitlab-deploy-token": [Shape(("gldt-",), "", URLSAFE, 20)],
    "gitlab-feature-flag-client-token": [Shape(("glffct-",), "", URLSAFE, 20)],
    "gitlab-feed-token": [Shape(("glft-",), "", URLSAFE, 20)],
    "gitlab-incoming-mail-token": [Shape(("glimt-",), "", URLSAFE, 25)],
    "gitlab-kubernetes-agent-token": [Shape(("glagent-",), "", URLSAFE, 50)],
    "gitlab-oauth-app-secret": [Shape(("gloas-",), "", URLSAFE, 64)],
    "gitlab-rrt": [Shape(("GR1348941",), "", URLSAFE, 20)],
    "gitlab-scim-token": [Shape(("glsoat-",), "", URLSAFE, 20)],
    "gitlab-session-cookie": [Shape(("_gitlab_session=",), "", ALNUM, 32)],
    "grafana-api-key": [Shape(("eyJrIjoi",), WORD, JWT, 70)],
    "grafana-cloud-api-token": [Shape(("glc_",), WORD, JWT, 32)],
    "grafana-service-account-token": [Shape(("glsa_",), WORD, WORD, 41)],
    "groq-api-key": [Shape(("gsk_",), WORD, ALNUM, 40)],
    "heroku-api-key-v2": [Shape(("HRKU-AA",), WORD, URLSAFE, 58)],
    "huggingface-organization-api-token": [Shape(("api_org_",), WORD, ALNUM, 34)],
    "infracost-api-token": [Shape(("ico-",), WORD, ALNUM, 32)],
    "intra42-client-secret": [Shape(("s-s4t2ud-", "s-s4t2af-",), WORD, "0-9a-fA-F", 64)],
    "langsmith-api-key": [Shape(("lsv2_pt_", "lsv2_sk_",), WORD, WORD, 42)],
    "jwt-base64": [Shape(("ZXlK",), WORD, JWT, 48)],
    "linear-api-key": [Shape(("lin_api_",), "", ALNUM, 40)],
    "mapbox-secret-token": [Shape(("sk.eyJ1",), WORD, URLSAFE + ".", 60)],
    "new-relic-user-api-key": [Shape(("NRAK-",), WORD, ALNUM, 27)],
    "notion-api-token": [Shape(("ntn_",), WORD, ALNUM, 46)],
    "microsoft-teams-webhook": [Shape((".webhook.office.com/webhookb2/",), "", ALNUM + r"\-@/", 100)],
    "nvidia-api-key": [Shape(("nvapi-",), WORD, URLSAFE, 60)],
    "octopus-deploy-api-key": [Shape(("API-",), WORD, "A-Z0-9", 26)],
    "openrouter-api-key": [Shape(("sk-or-v1-",), WORD, "0-9a-fA-F", 64)],
    "openshift-user-token": [Shape(("sha256~",), WORD, URLSAFE, 43)],
    "perplexity-api-key": [Shape(("pplx-",), WORD, ALNUM, 48)],
    "pinecone-api-key": [Shape(("pcsk_",), WORD, WORD, 60)],
    "planetscale-api-token": [Shape(("pscale_tkn_",), WORD, URLSAFE + "=.", 32)],
    "planetscale-oauth-token": [Shape(("pscale_oauth_",), WORD, URLSAFE + "=.", 32)],
    "planetscale-password": [Shape(("pscale_pw_",), WORD, URLSAFE + "=.", 32)],
    "postman-api-token": [Shape(("PMAK-",), WORD, ALNUM + r"\-", 59)],
    "prefect-api-token": [Shape(("pnu_",), WORD, ALNUM, 36)],
    "pulumi-api-token": [Shape(("pul-",), WORD, "0-9a-fA-F", 40)],
    "readme-api-token": [Shape(("rdme_",), WORD, ALNUM, 70)],
    "replicate-api-token": [Shape(("r8_",), WORD, ALNUM, 37)],
    "rubygems-api-token": [Shape(("rubygems_",), WORD, "0-9a-fA-F", 48)],
    "scalingo-api-token": [Shape(("tk-us-",), WORD, URLSAFE, 48)],
    "sendinblue-api-token": [Shape(("xkeysib-",), WORD, ALNUM + r"\-", 81)],
    "sentry-org-token": [Shape(("sntrys_eyJpYXQiO",), WORD, JWT, 60)],
    "sentry-user-token": [Shape(("sntryu_",), WORD, "0-9a-fA-F", 64)],
    "settlemint-application-access-token": [Shape(("sm_aat_",), WORD, ALNUM, 16)],
    "settlemint-personal-access-token": [Shape(("sm_pat_",), WORD, ALNUM, 16)],
    "settlemint-service-access-token": [Shape(("sm_sat_",), WORD, ALNUM, 16)],
    "shippo-api-token": [Shape(("shippo_live_", "shippo_test_",), WORD, "0-9a-fA-F", 40)],
    "shopify-access-token": [Shape(("shpat_",), "", "0-9a-fA-F", 32)],
    "shopify-custom-access-token": [Shape(("shpca_",), "", "0-9a-fA-F", 32)],
    "shopify-private-app-access-token": [Shape(("shppa_",), "", "0-9a-fA-F", 32)],
    "shopify-shared-secret": [Shape(("shpss_",), "", "0-9a-fA-F", 32)],
    "slack-legacy-token": [Shape(("xoxo-", "xoxs-",), "", ALNUM + r"\-", 20)],
    "slack-legacy-workspace-token": [Shape(("xoxa-", "xoxr-"), "", ALNUM + r"\-", 8, 4)],
    "sourcegraph-access-token": [Shape(("sgp_",), WORD, WORD, 40)],
    "square-access-token": [Shape(("EAAA", "sq0atp-",), WORD, URLSAFE, 22)],
    "stripe-webhook-secret": [Shape(("whsec_",), WORD, ALNUM, 32)],
    "supabase-access-token": [Shape(("sbp_", "sb_secret_",), WORD, WORD, 31)],
    "tailscale-key": [Shape(("tskey-auth-", "tskey-api-", "tskey-client-",), WORD, ALNUM + r"\-", 24)],
    "tavily-api-key": [Shape(("tvly-",), WORD, URLSAFE, 32)],
    "vault-batch-token": [Shape(("hvb.",), WORD, URLSAFE, 100)],
    "vault-service-token": [Shape(("hvs.",), WORD, URLSAFE, 90)],
    "xai-api-key": [Shape(("xai-",), WORD, ALNUM, 70)],
    "jwt": [
        Shape(
            tuple(f"eyJ{word}" for word in ("hbGciOi", "0eXAiOi", "raWQiOi", "lbmMiOi", "jdHkiOi", "qa3UiOi", "4NXUiOi", "4NXQiOi",
                                            "4NWMiOl", "qd2siOn")),
            "", JWT, 20, 0,
        )
    ],
    "private-key": [],
    "portcullis-api-key": [Shape(("pcl_", "pclop_"), "", URLSAFE, 20)],
}  # fmt: skip
BOUNDED = ("CREDIT_CARD", "IBAN_CODE", "US_SSN", "EMAIL_ADDRESS", *oracle_pii.KINDS)
KINDS = (*TOKENS, *BOUNDED)
"""The kinds that need nothing before them; those told by context are in `clues`."""

_OTHER_JWT = re.compile(
    f"(?=(?<![{URLSAFE}])(ey[{URLSAFE}]{{17,512}}\\.ey[{ALNUM}_\\-/+]{{17}}[{JWT}]*))".encode()
)
_HEADER = re.compile(rb"-----BEGIN ([A-Z0-9_ ]{0,128})-----", re.IGNORECASE)
_END_LINE = re.compile(rb"-----END [A-Z0-9_ ]{0,128}-----", re.IGNORECASE)
_KEY_BYTES = re.compile(rb"[A-Za-z0-9+/=]{20}")


def _jwt(text: bytes) -> Iterator[tuple[int, int]]:
    starts = set()
    for span in TOKENS["jwt"][0].spans(text):
        starts.add(span[0])
        yield span
    yield from (found.span(1) for found in _OTHER_JWT.finditer(text) if found.start(1) not in starts)


def _private_key(text: bytes) -> Iterator[tuple[int, int]]:
    for header in _HEADER.finditer(text):
        label = header[1].upper()
        if label.endswith((b"PRIVATE KEY", b"PRIVATE KEY BLOCK")) and _KEY_BYTES.search(text[header.end() : header.end() + 512]):
            end = _END_LINE.search(text, header.end())
            yield header.start(), end.end() if end else len(text)


def _token(kind: str, text: bytes) -> Iterator[tuple[int, int]]:
    starts: set[int] = set()
    for shape in TOKENS[kind]:
        for span in list(shape.spans(text)):
            if span[0] not in starts:
                starts.add(span[0])
                yield span


_CARD = re.compile(rb"(?<![0-9])(?<![0-9]\.)[0-9]+(?:[ \-][0-9]+){0,4}")
_RANGES = [
    (51, 55, {16}), (2221, 2720, {16}), (34, 34, {15}), (37, 37, {15}),
    *((prefix, prefix, set(range(14, 20))) for prefix in (*range(300, 306), 3095, 36, 38, 39)),
    *((low, high, set(range(16, 20))) for low, high in ((3528, 3589), (6011, 6011), (644, 659), (62, 62), (8100, 8171))),
    *((prefix, prefix, set(range(13, 20))) for prefix in (5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763)),
    (4, 4, {13, 16, 19}),
]  # fmt: skip


def _is_card(digits: bytes) -> bool:
    issued = any(low <= int(digits[: len(str(low))]) <= high and len(digits) in lengths for low, high, lengths in _RANGES)
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = (digit - 48) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return issued and total % 10 == 0


def _card(text: bytes) -> Iterator[tuple[int, int]]:
    # One start per run of digits: a start is a digit without a digit before it.
    for start in (found.start() for found in re.finditer(rb"(?<![0-9])(?<![0-9]\.)[0-9]", text)):
        found = _CARD.match(text, start)
        groups = [group.span() for group in re.finditer(rb"[0-9]+", found[0])]
        digits, last = b"", None
        for low, high in groups:
            digits += found[0][low:high]
            if len(digits) > 19:
                break
            if len(digits) >= 13 and _is_card(digits):
                last = start + high
        if last is not None:
            yield start, last


_IBAN = re.compile(rb"(?<![A-Za-z0-9])(?=[A-Za-z]{2}[0-9]{2})")
_LENGTHS = {
    word[:2]: int(word[2:])
    for word in """
    NO15 BE16 DK18 FI18 FK18 FO18 GL18 NL18 MK19 SI19 AT20 BA20 EE20 KZ20 LT20 LU20 MN20 XK20 CH21 HR21 LI21 LV21
    BG22 BH22 CR22 DE22 GB22 GE22 IE22 ME22 RS22 VA22 AE23 GI23 IL23 IQ23 OM23 TL23 AD24 CZ24 ES24 MD24 PK24 RO24 SA24 SE24 SK24
    TN24 VG24 LY25 PT25 ST25 IS26 TR26 BI27 DJ27 FR27 GR27 IT27 MC27 MR27 SM27 AL28 AZ28 BY28 CY28 DO28 EG29 GT28 HN28 HU28 LB28
    NI28 PL28 SV28 BR29 PS29 QA29 UA29 JO30 KW30 MU30 YE30 MT31 SC31 LC32 RU33 SD18 SO23
    """.split()
}


def _iban(text: bytes) -> Iterator[tuple[int, int]]:
    for start in (found.start() for found in _IBAN.finditer(text)):
        wanted = _LENGTHS.get(text[start : start + 2].decode().upper())
        at, letters = start, ""
        while wanted and len(letters) < wanted and at < len(text):
            if chr(text[at]).isascii() and chr(text[at]).isalnum():
                letters += chr(text[at]).upper()
            elif not (text[at] == 0x20 and len(letters) % 4 == 0 and text[at - 1] != 0x20 and letters):
                break
            at += 1
        if not wanted or len(letters) < wanted or re.match(rb"[A-Za-z0-9]", text[at : at + 1]):
            continue
        if int("".join(str(int(letter, 36)) for letter in letters[4:] + letters[:4])) % 97 == 1:
            yield start, at


_SSN = re.compile(rb"(?<![0-9])(?!000|666|9)[0-9]{3}([- ]?)(?!00)[0-9]{2}\1(?!0000)[0-9]{4}(?![0-9])")


def _ssn(text: bytes) -> Iterator[tuple[int, int]]:
    at = 0
    while found := _SSN.search(text, at):
        topics = oracle_pii.named(text, found.start())
        if found[1] == b"-" or "ssn" in topics or {"social", "security"} <= topics:
            yield found.span()
        at = found.start() + 1


def _email(text: bytes) -> Iterator[tuple[int, int]]:
    for sign in (found.start() for found in re.finditer(b"@", text)):
        local = re.search(rb"[A-Za-z0-9._%+\-]{1,64}\Z", text[max(0, sign - 64) : sign])
        run = re.match(rb"[A-Za-z0-9.\-]{0,255}", text[sign + 1 :])[0]
        labels = list(itertools.takewhile(bool, run.split(b".")))
        ends = [
            sign + 1 + len(b".".join(labels[: count + 1]))
            for count in range(1, len(labels))
            if re.match(rb"[A-Za-z]{2}", labels[count])
        ]
        if local and ends:
            yield sign - len(local[0]), ends[-1]


_FINDERS: dict[str, Callable[[bytes], Iterator[tuple[int, int]]]] = {
    **{kind: functools.partial(_token, kind) for kind in TOKENS},
    "jwt": _jwt,
    "private-key": _private_key,
    "CREDIT_CARD": _card,
    "IBAN_CODE": _iban,
    "US_SSN": _ssn,
    "EMAIL_ADDRESS": _email,
    **oracle_pii.FINDERS,
}


_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4})')


def _read(escape: str) -> str:
    character = json.loads(f'"{escape}"')
    return "\ufffd" if "\ud800" <= character <= "\udfff" else character


def _layers(text: str) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """The text and its unescaped forms, each with the bytes of `text` that each character belongs to: an escape's own all do."""
    ends = list(itertools.accumulate(len(letter.encode()) for letter in text))
    spans = list(zip([0, *ends], ends, strict=False))
    for _ in range(4):
        pieces = [found.group() for found in re.finditer(f"{_ESCAPE.pattern}|(?s:.)", text)]
        ends = list(itertools.accumulate(map(len, pieces)))
        wholes = [(spans[start][0], spans[end - 1][1]) for start, end in zip([0, *ends], ends, strict=False)]
        yield text, [whole for piece, whole in zip(pieces, wholes, strict=True) for _ in piece]
        if len(pieces) == len(text):
            return
        text, spans = "".join(_read(piece) if len(piece) > 1 else piece for piece in pieces), wholes


def _spans(kind: str, text: str, is_nested: bool) -> set[tuple[int, int]]:
    """Where a rule matches: in the text, and if it may be text inside text in its unescaped forms."""
    if not is_nested:
        return set(_FINDERS[kind](text.encode()))
    found = set()
    for layer, wholes in _layers(text):
        data = layer.encode()
        for start, end in _FINDERS[kind](data):
            first, last = len(data[:start].decode()), len(data[:end].decode()) - 1
            found.add((wholes[first][0], wholes[last][1]))
    return found


def _by_context(text: str, is_nested: bool) -> dict[str, set[tuple[int, int]]]:
    """The matches of the rules by context, by kind."""
    found: dict[str, set[tuple[int, int]]] = {}
    for layer, wholes in _layers(text) if is_nested else [(text, None)]:
        data = layer.encode()
        for start, end, kind in clues.find(data):
            if wholes is not None:
                first, last = len(data[:start].decode()), len(data[:end].decode()) - 1
                start, end = wholes[first][0], wholes[last][1]
            found.setdefault(kind, set()).add((start, end))
    return found


def matches(text: str, is_nested: bool = False) -> list[Match]:
    """Every match of every rule that no other match of the same rule covers, of rules by context where no token begins."""
    found: list[Match] = []
    by_context = _by_context(text, is_nested)
    for number, kind in enumerate((*TOKENS, *clues.KINDS, *BOUNDED)):
        spans = by_context.get(kind, set()) if kind in clues.KINDS else _spans(kind, text, is_nested)
        if kind in clues.KINDS:
            tokens = {match.start for match in found if match.is_token}
            spans = {span for span in spans if span[0] not in tokens}
        reach = -1
        # At one start the longer first, so that what is covered comes after what covers it.
        for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
            if end > reach:
                reach = end
                found.append(Match(start, end, kind, number, kind in TOKENS))
    return found


def act_on(kind: str, acts: Acts) -> str:
    """What the duties say of a kind."""
    group = "secret" if kind in TOKENS or kind in clues.KINDS else "pii"
    named = [acts[name] for name in (kind, group) if name in acts]
    order = ["allow", "mask", "redact", "deny"]
    return max(named, key=order.index) if named else ("redact" if group == "secret" else "allow")


@functools.lru_cache(maxsize=4096)
def _redact(text: str, acts: tuple[tuple[str, str], ...], is_nested: bool) -> tuple[str, str | None]:
    data = text.encode()
    found = [(match, act_on(match.kind, dict(acts))) for match in matches(text, is_nested)]
    found = sorted(((match, act) for match, act in found if act != "allow"), key=lambda pair: pair[0].start)
    denied = min((match for match, act in found if act == "deny"), key=lambda match: match.start, default=None)
    unions: list[list[tuple[Match, str]]] = []
    reach = -1
    for pair in found:
        if pair[0].start < reach:
            unions[-1].append(pair)
        else:
            unions.append([pair])
        reach = max(reach, pair[0].end)
    out, at = [], 0
    for union in unions:
        start, end = union[0][0].start, max(match.end for match, _ in union)
        if denied is not None and end > denied.start:
            break
        first = [match for match, _ in union if match.start == start]
        tokens = [match for match in first if match.is_token]
        name = min(tokens, key=lambda match: match.number) if tokens else min(first, key=lambda match: (-match.end, match.number))
        out.append(data[at:start].decode())
        if any(act == "redact" for _, act in union) or end - start > 16384:
            out.append(f"[redacted:{name.kind}]")
        else:
            characters = data[start:end].decode()
            out.append("*" * (len(characters) - 4) + characters[-4:])
        at = end
    out.append(data[at : denied.start if denied else None].decode())
    return "".join(out), denied.kind if denied else None


def redact(text: str, acts: Acts | None = None, *, is_nested: bool = False) -> str:
    """What may be released of a text, in a whole document of text inside text; without a `deny` among the acts."""
    released, denied = _redact(text, tuple(sorted((acts or {}).items())), is_nested)
    if denied is not None:
        raise ValueError(f"denied: {denied}")
    return released


def redact_json(value: object, acts: Acts | None = None) -> object:
    """What may be released of a JSON document: string values, object keys, and numbers as they are written."""
    if isinstance(value, str):
        return redact(value, acts, is_nested=True)
    if isinstance(value, list):
        return [redact_json(item, acts) for item in value]
    if isinstance(value, dict):
        names = set(value)
        released: dict[str, object] = {}
        for key, item in value.items():
            new = redact(key, acts, is_nested=True)
            if new != key:
                number, base = 1, new
                while new in names or new in released:
                    number += 1
                    new = f"{base}#{number}"
            released[new] = redact_json(item, acts)
        return released
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        lexeme = json.dumps(value)
        new = redact(lexeme, acts)
        return value if new == lexeme else new
    return value
