"""The accept rule in words: which answers stand without a person, and on what the error among them rests.

Terminal, report, card, `inspect` and the server's catalogue take their sentences from here.
"""

from __future__ import annotations

from ..draw.numbers import between, percent, whole_percent
from .manifest import Accept, Manifest
from .policy import Policy

NOTHING = "none: a person sees every answer"


def accept_words(manifest: Manifest) -> str:
    """Say which answers stand, how many those are, and what is known of the error among them."""
    accept = manifest.accept
    if accept is None:
        return f"{NOTHING}, since no error has been named that may pass"
    if accept.confidence is None and accept.width is None:
        return f"{NOTHING}; {known(accept)}"
    lets = Policy.of(manifest).lets
    error = accept.error
    among = f", {percent(error.value)} of these wrong ({between(error.low, error.high)})" if error else ""
    seen = "fresh images" if accept.basis == "certificate" else "training images, unseen"
    return f"answers {lets.where}: {percent(accept.coverage)} of the {seen}{among}; {known(accept)}"


def known(accept: Accept) -> str:
    """Say on what the error among accepted answers rests, as the end of a sentence."""
    bound = accept.bound
    if bound is None:
        return "a stated convention, which promises nothing"
    if accept.confidence is None:
        return cannot(accept)
    what = f"an error of at most {whole_percent(bound.max_error)} with {whole_percent(bound.level)} confidence"
    counts = f"{bound.wrong or 'none'} of {bound.accepted} accepted, independent answers wrong, upper limit "
    rests = f"{counts}{percent(bound.error_upper)}"
    if accept.basis == "certificate":
        return f"a certificate from labelled data that the model had not seen: {what} ({rests})"
    return f"a cross-fitted estimate from training, no certificate: {what} ({rests})"


def cannot(accept: Accept) -> str:
    """Say that the error asked for could not be shown, and what would be needed; of a rule that was tested."""
    bound, made = accept.bound, accept.certificate
    assert bound is not None  # as every rule that was tested
    where = " in each slice" if made is not None and made.jointly else ""
    cases = f"at least {bound.needed} accepted, independent cases without an error are needed{where}"
    if bound.labelled is None:
        more = "even the surest answers are wrong too often for any number of labelled images like these to do"
    else:
        more = f"about {bound.labelled:,} labelled images"
    return f"cannot certify {whole_percent(bound.max_error)}: {cases}; {more}"
