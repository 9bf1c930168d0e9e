"""The simulated service: jobs, time, runners, inputs and outcomes. It knows no HTTP."""

from __future__ import annotations
