"""What can be wrong with the files that models make, and how webhooks go wrong."""

from __future__ import annotations

from falkit_mock.platform.rules.fault import Fault
from falkit_mock.platform.rules.parameter import Parameter
from falkit_mock.platform.webhooks.faults import WEBHOOK_FAULTS, WebhookFault

MEDIA_FAULTS = (
    Fault(
        "media_missing",
        "media",
        "404: the file is not there",
        ("media",),
        ("media",),
        family="media",
    ),
    Fault(
        "media_truncated",
        "media",
        "the file ends early, and its headers say nothing of it",
        ("media",),
        ("media",),
        (Parameter("share", "number", 0.5, "how much of it there is", least=0, most=1),),
        family="media",
    ),
    Fault(
        "media_wrong_type",
        "media",
        "a page in the place of the file",
        ("media",),
        ("media",),
        (Parameter("content_type", "text", "text/html", "what it is said to be", header=True),),
        family="media",
    ),
    Fault(
        "media_slow",
        "media",
        "the file comes in ten pieces, with pauses",
        ("media",),
        ("media",),
        (Parameter("seconds", "number", 10, "for the whole", least=0, most=604_800),),
        family="media",
    ),
)

# Where a webhook's own word means something else in a rule.
RENAMED = {"times": "copies"}


def _webhook(fault: WebhookFault) -> Fault:
    return Fault(
        f"webhook_{fault.name}",
        "webhook",
        fault.about,
        ("submit",),
        ("submit",),
        tuple(
            Parameter(
                RENAMED.get(parameter.name, parameter.name),
                "integer" if parameter.whole else "number",
                int(parameter.default) if parameter.whole else parameter.default,
                parameter.about,
                least=parameter.least,
                most=parameter.most,
            )
            for parameter in fault.parameters
        ),
        family="webhook",
    )


WEBHOOK = tuple(_webhook(fault) for fault in WEBHOOK_FAULTS.values())
