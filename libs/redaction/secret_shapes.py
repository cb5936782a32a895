"""
The shapes of credentials: those that a fixed beginning gives away, and those that only their label does.

Sources: the token formats that GitHub, GitLab, Slack, Stripe, AWS and the others document for secret scanning; RFC 7468 (PEM),
RFC 7519 (JWT), RFC 6750 (bearer). Every shape is decided by its first `DECIDED_WITHIN` characters, and no pattern holds an
unbounded repeat that could be backtracked into: a search is linear in the text.
"""

import re
from typing import Final

DECIDED_WITHIN: Final = 192

RUN: Final = r"[A-Za-z0-9_\-+/.~%]"
"""A character of an unbroken run: every credential but a short password begins with at least sixteen of them."""

_W = r"[A-Za-z0-9_\-]"
_END = r"(?![A-Za-z0-9])"
_BOUNDARY = (
    r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"  # Inside JSON text a line feed is two characters, and the second is a letter.
)

_TOKENS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "anthropic_key": (("sk-ant-", _W + "{20}"),),
    "openrouter_key": (("sk-or-v1-", "[0-9a-f]{32}"),),
    "openai_key": (
        ("sk-proj-", _W + "{20}"),
        ("sk-svcacct-", _W + "{20}"),
        ("sk-admin-", _W + "{20}"),
        ("sk-", r"(?=[A-Za-z_\-]{0,40}[0-9])" + _W + "{20}"),
    ),
    "aws_access_key": (("AKIA", "[A-Z0-9]{16}" + _END), ("ASIA", "[A-Z0-9]{16}" + _END)),
    "google_key": (("AIza", _W + "{35}"), ("GOCSPX-", _W + "{24}"), ("ya29.", _W + "{20}")),
    "github_token": (
        *((prefix, "[A-Za-z0-9]{36}") for prefix in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")),
        ("github_pat_", "[A-Za-z0-9_]{22}"),
    ),
    "gitlab_token": tuple(
        (prefix, _W + "{20}") for prefix in ("glpat-", "gloas-", "gldt-", "glrt-", "glptt-", "glcbt-", "glsoat-")
    ),
    "slack_token": (
        *((prefix, r"[0-9][A-Za-z0-9\-]{16}") for prefix in ("xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe-")),
        ("xapp-", r"[0-9]-[A-Z0-9]{8}[A-Za-z0-9\-]{8}"),
        ("hooks.slack.com/services/", "T[A-Z0-9]{7,12}/B[A-Z0-9]{7,12}/[A-Za-z0-9]{16}"),
    ),
    "stripe_key": (
        *((prefix, "[A-Za-z0-9]{16}") for prefix in ("sk_live_", "sk_test_", "rk_live_", "rk_test_")),
        ("whsec_", "[A-Za-z0-9]{24}"),
    ),
    "sendgrid_key": (("SG.", _W + r"{16,32}\." + _W + "{32}"),),
    "mailgun_key": (("key-", "[0-9a-f]{32}" + _END),),
    "twilio_key": (("SK", "[0-9a-f]{32}" + _END),),
    "npm_token": (("npm_", "[A-Za-z0-9]{36}"),),
    "pypi_token": (("pypi-", "AgE" + _W + "{32}"),),
    "huggingface_token": (("hf_", "[A-Za-z0-9]{30}"),),
    "groq_key": (("gsk_", "[A-Za-z0-9]{40}"),),
    "xai_key": (("xai-", "[A-Za-z0-9]{40}"),),
    "perplexity_key": (("pplx-", "[A-Za-z0-9]{40}"),),
    "replicate_token": (("r8_", "[A-Za-z0-9]{36}"),),
    "databricks_token": (("dapi", "[0-9a-f]{32}"),),
    "digitalocean_token": tuple((prefix, "[0-9a-f]{64}") for prefix in ("dop_v1_", "doo_v1_", "dor_v1_")),
    "docker_token": (("dckr_pat_", _W + "{24}"),),
    "shopify_token": tuple((prefix, "[0-9a-fA-F]{32}") for prefix in ("shpat_", "shpca_", "shppa_", "shpss_")),
    "atlassian_token": (("ATATT3", _W + "{32}"),),
    "grafana_token": (("glsa_", "[A-Za-z0-9]{32}"), ("glc_eyJ", "[A-Za-z0-9+/]{24}")),
    "vault_token": (("hvs.", _W + "{24}"), ("hvb.", _W + "{24}")),
    "newrelic_key": (("NRAK-", "[A-Z0-9]{27}"),),
    "postman_key": (("PMAK-", r"[0-9a-f]{24}-[0-9a-f]{10}"),),
    "linear_key": (("lin_api_", "[A-Za-z0-9]{32}"),),
    "notion_token": (("ntn_", "[A-Za-z0-9]{32}"),),
    "jwt": (("eyJ", _W + r"{10,150}\." + _W + "{10}"),),
}

_TOKEN = "|".join(
    f"(?P<{kind}>{'|'.join(re.escape(prefix) + rest for prefix, rest in shapes)})" for kind, shapes in _TOKENS.items()
)
PREFIXES: Final = tuple(sorted({prefix for shapes in _TOKENS.values() for prefix, _ in shapes}))
BEGINNINGS: Final = frozenset(prefix[:length] for prefix in PREFIXES for length in range(1, len(prefix) + 1))
_FIRST = "[" + "".join(sorted({prefix[0] for prefix in PREFIXES})) + "]"

_FIRST_TWO = "|".join(sorted({re.escape(prefix[:2]) for prefix in PREFIXES}))

MAY_BEGIN: Final = re.compile(f"{_BOUNDARY}(?={_FIRST_TWO}|{_FIRST}\\Z)")
TOKENS: Final = re.compile(f"{_BOUNDARY}(?={_FIRST})(?:{_TOKEN})")
"""A credential that tells what it is; `lastgroup` is its kind. It reaches as far as its `TAILS`."""

_KEYS = tuple(
    f"{owner}{gap}{thing}"
    for owner in (
        "api",
        "access",
        "secret",
        "private",
        "auth",
        "encryption",
        "signing",
        "master",
        "service",
        "client",
        "app",
    )
    for gap in ("", "_", "-", " ")
    for thing in ("key", "secret")
)
LABELS: Final[dict[str, tuple[str, ...]]] = {
    "aws_secret_key": ("secret_access_key", "secretaccesskey", "secret-access-key", "secret access key"),
    "azure_key": ("accountkey", "account_key", "sharedaccesskey", "shared_access_key"),
    "password": ("password", "passwd", "passphrase", "pwd"),
    "secret": ("secret", "token", "credential", "credentials", *_KEYS),
    "bearer_token": ("bearer", "basic"),
}
"""The last word, in lower case, before a credential that only its label gives away; the first kind that fits names it."""

PEM: Final = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:\s|\\{1,4}[nr]){1,4}(?:[A-Za-z\-]{1,16}: [A-Za-z0-9,. \-]{1,60}(?:\s|\\{1,4}[nr]){1,4}){0,3}\Z"
)
LONGEST_PEM: Final = 256

PASSWORDS: Final = re.compile(
    r"""://[^\s:/@"'<>\\\[]{0,64}:(?P<url>[^\s/"'<>\\]{1,128})@"""
    r"""|;[ ]?(?i:password|pwd)=(?P<field>[^;()\s"'\\]{4,128})(?=[;\s"'\\]|\Z)"""
)
"""The password of a connection string."""
OPEN_URL: Final = re.compile(r"""://[^\s:/@"'<>\\\[]{0,64}:([^\s/"'<>\\]{1,128})\Z""")
OPEN_FIELD: Final = re.compile(r""";[ ]?(?i:password|pwd)=([^;()\s"'\\]{1,128})\Z""")
LONGEST_FIELD_LABEL: Final = len("; password=")

_WORD_TAIL = re.compile(_W + "*+")
_LABELLED_TAIL = re.compile(RUN[:-1] + "=]*+")
TAILS: Final = dict.fromkeys(_TOKENS, _WORD_TAIL) | {
    "jwt": re.compile(r"[A-Za-z0-9_.\-]*+"),
    "aws_secret_key": _LABELLED_TAIL,
    "azure_key": _LABELLED_TAIL,
    "bearer_token": _LABELLED_TAIL,
    "password": _LABELLED_TAIL,
    "secret": _LABELLED_TAIL,
    "private_key": re.compile(r"(?:[A-Za-z0-9+/=\s]|\\{1,4}[nr])*+"),
}
"""How far a credential reaches once its beginning is decided: over every character that could belong to it."""

KINDS: Final = (*TAILS, "connection_string")
"""Everything that `secrets.find` can name."""
