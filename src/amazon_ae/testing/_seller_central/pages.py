"""Makes the HTML of the pages. It is in ``templates/``; the handlers choose a template and its values."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from functools import partial
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from amazon_ae.testing._papers import PortalOrder, money_text
from amazon_ae.testing._seller_central.state import SignIn
from amazon_ae.testing._seller_central.texts import say
from amazon_ae.testing._seller_central.variants import AccountPicker, Challenge, InvoiceForm, LabelForm, Language

__all__ = ["challenge_page", "render"]

_TEMPLATES: Final = Environment(
    loader=PackageLoader("amazon_ae.testing._seller_central"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def render(template: str, language: Language = Language.ENGLISH, **values: object) -> str:
    """One page. Every template has ``language`` and ``say``, which gives a text in it, beside its own values."""
    return _TEMPLATES.get_template(template).render(values, language=language, say=partial(say, language=language))


def challenge_page(challenge: Challenge, sign_in: SignIn, language: Language, *, error: bool = False) -> str:
    """The page of one challenge; with ``error`` it shows that the last answer was wrong."""
    return render(f"challenges/{challenge}.html", language, sign_in=sign_in, error=error)


def _picture(answer: str) -> str:
    """The answer of a captcha as a picture, in a data URI."""
    return "data:image/svg+xml;base64," + b64encode(render("captcha.svg", answer=answer).encode()).decode()


def _status(order: PortalOrder) -> str:
    """The name of the text that describes how far an order is."""
    return "scheduled" if order.pickup is not None and order.status == "Unshipped" else order.status


def _instant(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


_TEMPLATES.filters.update(instant=_instant, money=money_text, picture=_picture, status=_status)
_TEMPLATES.globals.update(AccountPicker=AccountPicker, InvoiceForm=InvoiceForm, LabelForm=LabelForm)
