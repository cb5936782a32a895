"""A digest tells that two values are the same, and nothing else."""

from libs.redaction.placeholders import hashed, masked, tenant_key

KEY = tenant_key("secret", "acme")


def test_a_mask_is_the_kind():
    assert "[card]" == masked("card")


def test_the_same_value_has_the_same_digest_however_it_is_written():
    assert hashed("card", "4111 1111-1111.1111", KEY) == hashed("card", "4111111111111111", KEY)
    assert hashed("email", "John@Example.com", KEY) == hashed("email", "john@example.com", KEY)
    assert hashed("email", "jo@example.com", KEY) != hashed("email", "john@example.com", KEY)


def test_another_tenant_secret_or_kind_has_another():
    digests = {
        hashed("email", "a@b.org", KEY),
        hashed("email", "a@b.org", tenant_key("secret", "beta")),
        hashed("email", "a@b.org", tenant_key("other", "acme")),
        hashed("secret", "a@b.org", KEY),
    }
    assert 4 == len(digests)


def test_secrets_differ_in_case():
    assert hashed("secret", "aB", KEY) != hashed("secret", "ab", KEY)
