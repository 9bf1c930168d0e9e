"""Typed inputs and outputs, a package per owner and a module per app.

>>> from falkit_client.types.fal_ai.ltx_2 import ImageToVideoFastInput
>>> ImageToVideoFastInput(prompt="Rain", image_url="https://example.com/a.png", duration=8)
{'prompt': 'Rain', 'image_url': 'https://example.com/a.png', 'duration': 8}
"""

from __future__ import annotations
