"""The frame of every page, and the small pieces that many pages have."""

from __future__ import annotations

from html import escape

from amazon_ae.testing._seller_central.assets import COMPONENTS, STYLE
from amazon_ae.testing._seller_central.texts import say
from amazon_ae.testing._seller_central.variants import Language, Tour

__all__ = ["alert", "hidden", "narrow_page", "seller_page"]


def narrow_page(title: str, body: str, *, language: Language, head: str = "") -> str:
    """A page of the sign-in: one narrow column."""
    return _page(title, f'<main class="narrow">{body}</main>', language=language, head=head)


def seller_page(
    title: str,
    body: str,
    *,
    language: Language,
    csrf: str,
    switcher: str = "",
    navigation: bool = True,
    tours: Tour = Tour.NONE,
    closed: frozenset[str] = frozenset(),
) -> str:
    """A page behind the sign-in: a header, and ``meta[name=anti-csrftoken-a2z]`` by which such a page is known.

    Args:
        switcher: what the header holds to change the marketplace.
        navigation: the links to the app's pages; before an account was picked there are none.
        tours: what lies over the page, unless it is named in ``closed``.
    """
    links = f'<a href="/home">{say("home", language)}</a><a href="/orders-v3">{say("orders", language)}</a>'
    header = (
        f'<header id="sc-navbar"><span class="mark">seller sandbox</span>{links if navigation else ""}'
        f'{switcher}<form method="post" action="/ap/signout">'
        f'<input type="submit" value="{say("sign_out", language)}"></form></header>'
    )
    head = f'<meta name="anti-csrftoken-a2z" content="{escape(csrf)}">'
    return _page(title, f"{header}<main>{body}</main>{_tours(tours, closed, language)}", language=language, head=head)


def alert(text: str, element_id: str = "auth-error-message-box", *, language: Language) -> str:
    """A red box with one sentence."""
    return (
        f'<div id="{element_id}" class="a-alert a-alert-error" role="alert"><h4 class="a-alert-heading">'
        f'{say("problem", language)}</h4><div class="a-alert-content">{escape(text)}</div></div>'
    )


def hidden(**fields: str) -> str:
    """Hidden fields of a form."""
    return "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items())


def _tours(tours: Tour, closed: frozenset[str], language: Language) -> str:
    out = ""
    if tours in (Tour.JOYRIDE, Tour.BOTH, Tour.STACKED) and "joyride" not in closed:
        close = "sandboxClose('joyride');document.getElementById('react-joyride-portal').remove()"
        out += (
            '<div id="react-joyride-portal"><div class="react-joyride__overlay"></div>'
            '<div class="react-joyride__tooltip" '
            f'role="alertdialog"><p>{say("tour", language)}</p><button type="button" data-action="skip" '
            f'onclick="{close}">{say("skip", language)}</button></div></div>'
        )
    if tours in (Tour.CONSENT, Tour.STACKED) and "consent" not in closed:
        remove = "sandboxClose('consent');document.getElementById('sandbox-consent').remove()"
        out += (
            '<div id="sandbox-consent" role="dialog" style="position: fixed; inset: 0; z-index: 50; background: #0008">'
            f'<div style="background: #fff; padding: 20px"><p>{say("consent", language)}</p>'
            f'<button type="button">{say("consent_accept", language)}</button> '
            f'<button type="button" onclick="{remove}">{say("consent_reject", language)}</button></div></div>'
        )
    if tours in (Tour.KATAL, Tour.BOTH, Tour.STACKED) and "katal" not in closed:
        out += f'<kat-modal class="sellerOnboardingPopup" visible><p>{say("tour", language)}</p></kat-modal>'
    return out


def _page(title: str, body: str, *, language: Language, head: str) -> str:
    direction = "rtl" if language is Language.ARABIC else "ltr"
    return (
        f'<!doctype html><html lang="{language}-AE" dir="{direction}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{escape(title)}</title>'
        f'<link rel="icon" href="data:,"><style>{STYLE}</style><script>{COMPONENTS}</script>{head}</head><body>{body}'
        '<footer>A look-alike for tests. It is not run by Amazon. <a href="/__sandbox">control page</a></footer>'
        "</body></html>"
    )
