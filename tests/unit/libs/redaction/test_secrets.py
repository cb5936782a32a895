"""Credentials are found by shape or by label, what only looks like one is not, and the search is linear."""

import re
import sys
from collections.abc import Callable
from re import _constants as sre
from re import _parser as sre_parser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.redaction import secret_shapes
from libs.redaction.secrets import CONTEXT, LONGEST_HELD, find, open_from, redact

RANDOM = "q7Zx2Lm9PzK1sVbT4cWd8RfGhJ3nY6uE5aMo0iQp"  # Forty characters without a meaning.
HEX = "9f86d081884c7d659a2feaa0c55ad015"
PEM = "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----"
BASE64 = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\nAb+/=="

SECRETS = [
    ("anthropic_key", f"sk-ant-api03-{RANDOM}"),
    ("openrouter_key", f"sk-or-v1-{HEX}{HEX}"),
    ("openai_key", f"sk-proj-{RANDOM}"),
    ("openai_key", f"sk-svcacct-{RANDOM}"),
    ("openai_key", f"sk-{RANDOM}"),
    ("aws_access_key", "AKIAIOSFODNN7EXAMPLE"),
    ("aws_access_key", "ASIAIOSFODNN7EXAMPLE"),
    ("google_key", "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY"),
    ("google_key", f"ya29.{RANDOM}"),
    ("github_token", f"ghp_{RANDOM[:36]}"),
    ("github_token", f"github_pat_{RANDOM[:22]}_{RANDOM}"),
    ("gitlab_token", f"glpat-{RANDOM[:20]}"),
    ("slack_token", "xoxb-123456789012-1234567890123-" + RANDOM[:24]),
    ("slack_token", "hooks.slack.com/services/T00000000/B00000000/" + RANDOM[:24]),
    ("stripe_key", f"sk_live_{RANDOM[:24]}"),
    ("stripe_key", f"whsec_{RANDOM[:32]}"),
    ("sendgrid_key", f"SG.{RANDOM[:22]}.{RANDOM}abc"),
    ("mailgun_key", f"key-{HEX}"),
    ("twilio_key", f"SK{HEX}"),
    ("npm_token", f"npm_{RANDOM[:36]}"),
    ("pypi_token", f"pypi-AgEIcHlwaS5vcmc{RANDOM}"),
    ("huggingface_token", f"hf_{RANDOM[:34]}"),
    ("groq_key", f"gsk_{RANDOM}abcd"),
    ("xai_key", f"xai-{RANDOM}{RANDOM}"),
    ("perplexity_key", f"pplx-{RANDOM}"),
    ("replicate_token", f"r8_{RANDOM[:37]}"),
    ("databricks_token", f"dapi{HEX}"),
    ("digitalocean_token", f"dop_v1_{HEX}{HEX}"),
    ("docker_token", f"dckr_pat_{RANDOM[:27]}"),
    ("shopify_token", f"shpat_{HEX}"),
    ("atlassian_token", f"ATATT3xFfGF0{RANDOM}"),
    ("grafana_token", f"glsa_{RANDOM[:32]}_1a2b3c4d"),
    ("vault_token", f"hvs.{RANDOM}"),
    ("newrelic_key", "NRAK-ABCDEFGHIJKLMNOPQRSTUVWXYZ0"),
    ("postman_key", f"PMAK-{HEX[:24]}-{HEX}ab"),
    ("linear_key", f"lin_api_{RANDOM}"),
    ("notion_token", f"ntn_{RANDOM}abcdef"),
    ("jwt", f"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{RANDOM}"),
]

LABELLED = [
    ("aws_secret_key", "aws_secret_access_key = ", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "\n"),
    ("azure_key", "AccountName=a;AccountKey=", RANDOM + RANDOM + "/+8abc==", ";Endpoint"),
    ("bearer_token", "Authorization: Bearer ", RANDOM, '"'),
    ("bearer_token", "authorization: basic ", "dXNlcjpwYXNzd29yZDE=", "\n"),
    ("secret", "API_KEY=", RANDOM[:20], "\n"),
    ("secret", '{"client_secret": "', RANDOM, '"}'),
    ("secret", '{\\"api_key\\":\\"', RANDOM, '\\"}'),
    ("secret", "The **API key** is `", RANDOM[:16], "`."),
    ("secret", "token => '", RANDOM, "'"),
    ("secret", "https://a.example/v1?token=", RANDOM, "&page=2"),
    ("password", "password: ", "Tr0ub4dor-and-3-horses", "\n"),
    ("connection_string", "postgres://app:", "hunter2!", "@db/x"),
    ("connection_string", "redis://:", "p@ss:w0rd", "@db/0"),
    ("connection_string", "Server=a;Password=", "Tr0ub4dor&3", ";Encrypt=no"),
    ("private_key", "-----BEGIN PRIVATE KEY-----\\n", BASE64.replace("\n", "\\n"), "-----END PRIVATE KEY-----"),
    ("private_key", "-----BEGIN OPENSSH PRIVATE KEY-----\n", BASE64 + "\n", "-----END OPENSSH PRIVATE KEY-----"),
    (
        "private_key",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,3F17F5316E2BAC89\n\n",
        BASE64 + "\n",
        "-----END RSA PRIVATE KEY-----",
    ),
]

HARMLESS = [
    "123e4567-e89b-12d3-a456-426614174000",
    "secret: 123e4567-e89b-12d3-a456-426614174000",
    f"commit {HEX}deadbeef",
    f"sha256:{HEX}{HEX}",
    f"cache_key={HEX}",
    "token = self.tokenizer.encode_plus2(text)",
    "password = os.environ['DATABASE_PASSWORD_V2']",
    "api_key = YOUR_API_KEY_GOES_HERE_123",
    "api_key=sk-xxxxxxxxxxxxxxxxxxxxxxxxxx",
    "max_tokens=4096, token_count: 12345678901234567890",
    "postgres://user:password@localhost/db, redis://:${REDIS_PASSWORD}@host",
    "http://localhost:8080/v1/models and me@example.com",
    "<div class='sk-double-bounce-animation-child'>",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO",
    "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
    "a PEM file begins with `-----BEGIN PRIVATE KEY-----` and ends",
    "-----BEGIN CERTIFICATE-----\n" + BASE64,
    "https://github.com/acme/repo/blob/main/src/token/secret_v2/config.py",
    "Version 1.2.3-alpha.4 of ghp_cli, SK-12, eyJ and AKIA",
    "Bearer authentication-mechanism",
    "=" * 50 + "-" * 50 + "." * 50,
]


@pytest.mark.parametrize(("kind", "secret"), SECRETS)
@pytest.mark.parametrize("around", ["{}", "key: {}, next", '{{"k": "{}"}}', "a\\n{}\\n", "({})", "https://{}@host"])
def test_a_token_of_a_known_shape_is_found_wherever_it_stands(kind: str, secret: str, around: str):
    text = around.format(secret)
    assert around.format(f"[redacted:{kind}]") == redact(text, find(text))


@pytest.mark.parametrize(("kind", "before", "value", "after"), LABELLED)
def test_what_its_label_gives_away_is_replaced_and_the_label_is_not(kind: str, before: str, value: str, after: str):
    text = before + value + after
    assert f"{before}[redacted:{kind}]{after}" == redact(text, find(text))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_a_secret_is_left_alone(text: str):
    assert [] == find(text)


def test_every_kind_has_an_example():
    assert set(secret_shapes.KINDS) == {kind for kind, *_ in (*SECRETS, *LABELLED)}


def test_a_token_under_a_label_is_one_finding_and_named_for_what_it_is():
    text = f'OPENAI_API_KEY="sk-proj-{RANDOM}" and https://oauth2:glpat-{RANDOM[:20]}@gitlab.com'
    assert ["openai_key", "gitlab_token"] == [finding.kind for finding in find(text)]


PIECES = st.lists(
    st.sampled_from(
        [secret for _, secret in SECRETS]
        + [part for _, *parts in LABELLED for part in parts]
        + [*HARMLESS, *secret_shapes.PREFIXES, " ", "\n", "\\n", "\\", '"', "=", ";", "@", "://", "-", ".", "token="]
    ),
    max_size=8,
).map("".join)
TEXTS = st.one_of(PIECES, st.text(max_size=60), st.text(alphabet='sk-_/.=:@ \\n"AIEeyJ0', max_size=60))


@given(TEXTS)
def test_findings_are_in_order_apart_and_within_the_text(text: str):
    bounds = [bound for finding in find(text) for bound in (finding.start, finding.end)]
    assert sorted(bounds) == bounds
    assert all(finding.start < finding.end <= len(text) for finding in find(text))


@given(TEXTS)
def test_redacting_twice_changes_nothing(text: str):
    once = redact(text, find(text))
    assert once == redact(once, find(once))


@given(TEXTS, TEXTS)
def test_what_is_not_open_is_decided(text: str, more: str):
    findings = find(text)
    until = open_from(text, findings)
    begun = [finding for finding in findings if finding.start < until]
    assert begun == [finding for finding in find(text + more) if finding.start < until]


@given(TEXTS, TEXTS)
def test_no_more_than_a_bounded_suffix_is_open(text: str, more: str):
    whole = text + more
    findings = find(whole)
    growing = [finding.start for finding in findings[-1:] if finding.end >= len(whole.rstrip("\\"))]
    assert open_from(whole, findings) >= min([len(whole) - LONGEST_HELD, *growing])


@given(TEXTS, st.integers(0, 2 * CONTEXT))
def test_the_characters_before_a_text_that_matter_are_few(text: str, size: int):
    start = min(size, len(text))
    kept = max(0, start - CONTEXT)
    moved = [(finding.start + kept, finding.end + kept) for finding in find(text[kept:], start - kept)]
    assert [(finding.start, finding.end) for finding in find(text, start)] == moved


MODULES = (secret_shapes, sys.modules["libs.redaction.secrets"])
NAMED = {name: value for module in MODULES for name, value in vars(module).items() if isinstance(value, re.Pattern)}
PATTERNS = NAMED | {f"tail of {kind}": tail for kind, tail in secret_shapes.TAILS.items()}


@pytest.mark.parametrize("name", PATTERNS)
def test_no_pattern_has_an_unbounded_repeat_to_backtrack_into(name: str):
    pattern = PATTERNS[name]
    assert [] == list(backtracking(sre_parser.parse(pattern.pattern, pattern.flags)))


def backtracking(parsed: Any) -> Any:
    """Yield every greedy or lazy repeat without a bound: possessive ones and bounded ones take linear time."""
    for operator, argument in parsed:
        if operator in (sre.MAX_REPEAT, sre.MIN_REPEAT) and argument[1] == sre.MAXREPEAT:
            yield operator
        for part in _flat(argument):
            yield from backtracking(part)


def _flat(argument: Any) -> Any:
    parts = argument if isinstance(argument, tuple | list) else [argument]
    for part in parts:
        if isinstance(part, sre_parser.SubPattern):
            yield part
        elif isinstance(part, list):
            yield from _flat(part)


@pytest.mark.parametrize(
    "unit", ["a" * 15 + " ", f"token={RANDOM} ", f"AKIAIOSFODNN7EXAMPLE/{RANDOM}", "eyJ-", "://a:b", "=a"]
)
def test_the_work_grows_as_the_text_does(unit: str):
    one, eight = (_calls(lambda size=size: find(unit * size)) for size in (50, 400))
    assert eight <= 8 * one + 50


def _calls(work: Callable[[], object]) -> int:
    """Return how many functions *work* calls, those in C included."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls
