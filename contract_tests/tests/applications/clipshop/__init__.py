"""A shop for clips: an HTTP service that has fal make videos, over raw HTTP.

It knows nothing of falkit, and is right. What can be done wrong here is in mistakes.py.
"""
