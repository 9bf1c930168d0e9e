"""Limits on what a request may make the mock do; those that a user may change are in Settings."""

from __future__ import annotations

# Bytes that are read, judged or written while all else waits; more is done in a thread.
AT_ONCE = 1 << 18
# Of those that an input may have which is refused while all else waits.
REFUSED_AT_ONCE = 1 << 14
# And of msgpack, which may have a value in each.
UNPACKED_AT_ONCE = 1 << 14
# Values in a body, by its commas and opening brackets: to read more takes longer than others should
# wait, on whatever thread it is done.
JSON_VALUES = 500_000
# Characters: of a URL, as servers take them, and of a host (RFC 1035 §2.3.4).
URL_LENGTH, HOST_LENGTH = 65_536, 253
# The most pixels that anybody should load, as Pillow has it, and the most that are decoded here: of
# a larger picture it is seen only whether the file is whole.
PIXELS, DECODED_PIXELS = 89_478_485, 4_000_000
# How often a picture is gone through, and pieces that one may be of.
SCANS, PIECES = 100, 10_000
# What is read of a file whose document sets no limit, in bytes.
FILE_MOST = 256 * 1024 * 1024
# Files of an input that are looked at, bytes of them, and seconds for it; more are taken on trust.
FILES, FILE_BYTES, FILE_SECONDS = 256, 1 << 30, 60.0
# How many rules an input or a header may name, among how many of its values, and the characters of
# one.
RULES, SEARCHED_VALUES, RULE_LENGTH = 20, 10_000, 2000
# Fields that a hint names, characters of a word in one, and of a hint.
NAMED_FIELDS, WORD_LENGTH, HINT_LENGTH = 5, 60, 600
# Bytes of a request that are parsed at a time where others may follow it.
SLICE = 16 * 1024
