"""Bounded fuzzing of a mock on loopback: `python -m attack`, with contract_tests on the path."""
