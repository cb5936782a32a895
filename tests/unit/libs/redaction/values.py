"""Valid values of every kind, made by their rules."""

from hypothesis import strategies as st
from stdnum import luhn, verhoeff
from stdnum.br import cpf
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.iban import calc_check_digits
from stdnum.it import codicefiscale
from stdnum.nl import bsn


def digits(count: int, first: str = "0123456789") -> st.SearchStrategy[str]:
    rest = st.text("0123456789", min_size=count - 1, max_size=count - 1)
    return st.tuples(st.sampled_from(first), rest).map("".join)


def grouped(value: str, sizes: tuple[int, ...], separator: str) -> str:
    groups, at = [], 0
    for size in sizes:
        groups.append(value[at : at + size])
        at += size
    return separator.join(group for group in groups if group)


def _card(prefix: str, length: int) -> st.SearchStrategy[str]:
    return digits(length - len(prefix) - 1).map(lambda rest: (n := prefix + rest) + luhn.calc_check_digit(n))


BARE_CARDS = st.one_of(
    *(_card(prefix, 16) for prefix in ("4", "51", "55", "2221", "2720", "6011", "65", "3530", "62", "6759", "2201")),
    _card("34", 15),
    _card("37", 15),
    _card("36", 14),
    _card("4", 19),
    _card("4", 13),
)


def _written(card: str) -> st.SearchStrategy[str]:
    ways = {16: (4, 4, 4, 4), 15: (4, 6, 5), 14: (4, 6, 4)}
    separated = [grouped(card, ways[len(card)], separator) for separator in " -"] if len(card) in ways else []
    return st.sampled_from([card, *separated])


CARDS = BARE_CARDS.flatmap(_written)

_BBANS = {"DE": 18, "GB": (4, 14), "NL": (4, 10), "FR": 23, "ES": 20, "BE": 12, "AT": 16, "PL": 24, "SA": 20, "NO": 11}


def _iban(country: str) -> st.SearchStrategy[str]:
    shape = _BBANS[country]
    letters, count = shape if isinstance(shape, tuple) else (0, shape)
    bban = st.tuples(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=letters, max_size=letters), digits(count)).map(
        "".join
    )
    return bban.map(lambda text: f"{country}{calc_check_digits(country + '00' + text)}{text}")


BARE_IBANS = st.sampled_from(sorted(_BBANS)).flatmap(_iban)
IBANS = BARE_IBANS.flatmap(lambda value: st.sampled_from([value, grouped(value, (4,) * 9, " "), value.lower()]))

_name = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12)
EMAILS = st.builds(
    lambda local, tag, domain, top: f"{local}{tag}@{domain}.{top}",
    st.lists(_name, min_size=1, max_size=3).map(".".join),
    st.sampled_from(["", "+tag", "_2", "-x", "99"]),
    st.lists(_name, min_size=1, max_size=2).map(".".join),
    st.sampled_from(["com", "org", "co.uk", "de", "museum", "xn--p1ai"]),
)

PHONES = st.one_of(
    st.builds(
        lambda country, number, separator: f"+{country}{separator}{grouped(number, (3, 3, 4), separator)}",
        st.sampled_from(["1", "7", "33", "44", "49", "55", "81", "91", "351", "358", "420", "971"]),
        digits(10, "123456789"),
        st.sampled_from(["", " ", "-", "."]),
    ),
    st.builds(lambda a, b, c: f"({a}) {b}-{c}", digits(3, "23456789"), digits(3), digits(4)),
    st.builds(lambda a, b, c: f"{a}-{b}-{c}", digits(3), digits(3), digits(4)),
    st.builds(lambda number: f"phone: {number}", digits(10)).map(str),
)


def _nir(body: str) -> str:
    return body + nir.calc_check_digits(body)


def _codice(parts: tuple[str, int, str, int, str, int]) -> str:
    names, year, month, day, place, number = parts
    body = f"{names}{year:02d}{month}{day:02d}{place}{number:03d}"
    return body + codicefiscale.calc_check_digit(body)


def _bsn(body: str) -> str | None:
    check = sum(int(digit) * weight for digit, weight in zip(body, range(9, 1, -1), strict=True)) % 11
    return None if check > 9 else f"BSN {body}{check}"


_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
NATIONAL_IDS = st.one_of(
    st.builds(lambda a, b, c: f"{a}-{b}-{c}", digits(3, "12345678"), digits(2), digits(4)).filter(
        lambda value: value[:3] != "666" and value[4:6] != "00" and value[7:] != "0000"
    ),
    st.builds(
        lambda prefix, number, suffix, separator: separator.join(
            (prefix, *grouped(number, (2, 2, 2), "-").split("-"), suffix)
        ),
        st.sampled_from(["AB", "CE", "JW", "ZX"]),
        digits(6),
        st.sampled_from("ABCD"),
        st.sampled_from(["", " "]),
    ),
    st.permutations("1234567890")
    .map("".join)
    .flatmap(lambda d: st.integers(1, 9).map(lambda at: d[:at] + d[0] + d[at + 1 :]))
    .filter(lambda d: d[0] != "0")
    .map(lambda d: d + idnr.mod_11_10.calc_check_digit(d))
    .filter(idnr.is_valid),
    st.builds(
        lambda sex, year, month, department, rest: _nir(f"{sex}{year:02d}{month:02d}{department}{rest}"),
        st.sampled_from("12"),
        st.integers(0, 99),
        st.integers(1, 12),
        st.sampled_from(["75", "13", "2A", "2B", "59"]),
        digits(6),
    ).filter(nir.is_valid),
    digits(8).map(lambda d: d + dni.calc_check_digit(d)),
    st.tuples(st.sampled_from("XYZ"), digits(7)).map("".join).map(lambda d: d + nie.calc_check_digit(d)),
    digits(8, "123456789").map(_bsn).filter(lambda value: value is not None and bsn.is_valid(value[4:])),
    st.tuples(
        st.text("BCDFGL", min_size=6, max_size=6),
        st.integers(0, 99),
        st.sampled_from("ABCDEHLMPRST"),
        st.integers(1, 28),
        st.sampled_from("AFHL"),
        st.integers(100, 999),
    )
    .map(_codice)
    .filter(codicefiscale.is_valid)
    .flatmap(lambda value: st.sampled_from([value, value.lower()])),
    digits(9).map(lambda d: d + cpf._calc_check_digits(d)).filter(cpf.is_valid),
    digits(11, "3456789").map(lambda d: d + verhoeff.calc_check_digit(d)).map(lambda d: grouped(d, (4, 4, 4), " ")),
    st.builds(
        lambda a, b, c, d: f"{a}P{b}{c}{d}",
        st.text(_CAPITALS, min_size=3, max_size=3),
        st.sampled_from(_CAPITALS),
        digits(4, "123456789"),
        st.sampled_from(_CAPITALS),
    ),
)
SECRETS = st.one_of(
    st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=36, max_size=36).map("ghp_{}".format),
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", min_size=16, max_size=16).map("AKIA{}".format),
    st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=40, max_size=40).map("sk-proj-{}".format),
)  # fmt: skip
VALUES = {
    "email": EMAILS,
    "card": CARDS,
    "iban": IBANS,
    "phone": PHONES,
    "national_id": NATIONAL_IDS,
    "secret": SECRETS,
}
