"""What decoding bytes from outside may raise: all of it means that they cannot be read, none of it that the reader is broken."""

import msgspec

# JSON that is malformed or of the wrong type, bytes that are no UTF-8, and arrays nested deeper than the decoder's stack.
UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
