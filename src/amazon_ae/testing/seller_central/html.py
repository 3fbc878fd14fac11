"""The frame of every page: escaping, a little CSS, and the web components that the real site is built of."""

from __future__ import annotations

from html import escape

from amazon_ae.testing.seller_central.texts import say
from amazon_ae.testing.seller_central.variants import Language, Tour

__all__ = ["alert", "hidden", "narrow_page", "seller_page"]

_STYLE = """
*{box-sizing:border-box}body{margin:0;font:14px/1.5 system-ui,"Noto Sans Arabic",sans-serif;color:#16191f;background:#f4f5f5}
a{color:#00629b}h1{font-size:24px;font-weight:500;margin:0 0 14px}h2{font-size:17px;font-weight:600;margin:20px 0 8px}
header{background:#002f36;color:#fff;padding:10px 24px;display:flex;gap:22px;align-items:center}header a{color:#fff;text-decoration:none}
header .mark{font-weight:600;font-size:16px}header form{margin-inline-start:auto}
main{max-width:1040px;margin:22px auto;padding:22px 26px;background:#fff;border:1px solid #d5d9d9;border-radius:8px}
main.narrow{max-width:400px;margin-top:54px}label{display:block;font-weight:600;margin:12px 0 3px}label.plain{font-weight:400}
input[type=text],input[type=email],input[type=password],select{width:100%;padding:7px 9px;font:inherit;border:1px solid #888c8c;border-radius:4px;background:#fff}
input[type=submit],button{font:inherit;padding:6px 16px;border:1px solid #888c8c;border-radius:4px;background:#fff;cursor:pointer}
.primary,.a-button-primary input{background:#008296!important;border-color:#00687a!important;color:#fff;width:auto}
form p{margin:16px 0 0}table{border-collapse:collapse;width:100%}th,td{text-align:start;padding:7px 9px;border-bottom:1px solid #e7e9e9;vertical-align:top}
.a-alert-content{color:#8c1c13}.a-alert{border:1px solid #c40000;border-radius:6px;padding:10px 14px;margin-bottom:14px;background:#fff6f5}
.actions{display:flex;flex-wrap:wrap;gap:10px;align-items:center;margin-bottom:14px}.actions a,.actions form{margin:0}
.actions a{border:1px solid #888c8c;border-radius:4px;padding:6px 16px;text-decoration:none;color:inherit}
dl{display:grid;grid-template-columns:max-content 1fr;gap:5px 20px;margin:0}dt{color:#565959}dd{margin:0}
.a-popover-modal{position:fixed;inset:0;background:#0008;z-index:20;display:none}.a-popover-modal[aria-hidden=false]{display:block}
.a-popover-inner{background:#fff;max-width:680px;margin:90px auto;padding:22px 26px;border-radius:8px}
kat-table{display:table;width:100%}kat-table-head{display:table-header-group;color:#565959}kat-table-body{display:table-row-group}
kat-table-row{display:table-row}kat-table-cell{display:table-cell;padding:7px 9px;border-bottom:1px solid #e7e9e9}
.react-joyride__overlay{position:fixed;inset:0;background:#0007;z-index:30}.react-joyride__tooltip{position:fixed;z-index:31;top:120px;inset-inline-start:50%;
margin-inline-start:-150px;width:300px;background:#fff;border-radius:8px;padding:18px}
.full-page-account-switcher-account{border:1px solid #d5d9d9;border-radius:6px;margin:8px 0}.full-page-account-switcher-account-details{width:100%;border:0;text-align:start;padding:11px 14px}
.full-page-account-switcher-account .full-page-account-switcher-account{margin:4px 14px 8px}.selected>button{background:#e0f3f5}
.picker-app{display:flex;gap:16px}.picker-column{flex:1}.picker-button{width:100%;margin:3px 0;text-align:start}.picker-button.selected{background:#e0f3f5}
footer{max-width:1040px;margin:10px auto 40px;color:#777;font-size:12px;padding:0 26px}footer a{color:#777}
@media print{header,footer{display:none}main{border:0;margin:0;max-width:none}}
"""

# As on the real site the components keep their insides in an open shadow root, and the button obeys a person only.
_COMPONENTS = """
class KatButton extends HTMLElement{
 connectedCallback(){const root=this.attachShadow({mode:'open'});const button=document.createElement('button');
  button.textContent=this.getAttribute('label');
  button.style.cssText='font:inherit;padding:6px 18px;border-radius:4px;border:1px solid #00687a;background:#008296;color:#fff;cursor:pointer';
  root.append(button);this.sync=()=>{button.disabled=this.hasAttribute('disabled');button.style.opacity=button.disabled?.45:1};this.sync();
  this.addEventListener('click',event=>{if(!event.isTrusted||this.hasAttribute('disabled')){event.stopImmediatePropagation();event.preventDefault()}},true)}
 static get observedAttributes(){return['disabled']}
 attributeChangedCallback(){if(this.sync)this.sync()}}
class KatModal extends HTMLElement{
 connectedCallback(){const root=this.attachShadow({mode:'open'});
  root.innerHTML='<div style="position:fixed;inset:0;background:#0007;z-index:40"><div role="dialog" style="background:#fff;width:320px;margin:130px auto;padding:20px;border-radius:8px">'
   +'<button name="close" aria-label="Close" style="float:inline-end;font:inherit;cursor:pointer">\\u00d7</button><slot></slot></div></div>';
  root.querySelector('[name=close]').addEventListener('click',()=>{sandboxClose('katal');this.remove()})}}
function sandboxClose(what){fetch('/__sandbox/close',{method:'POST',body:new URLSearchParams({what}),keepalive:true})}
customElements.define('kat-button',KatButton);customElements.define('kat-modal',KatModal);
"""


def narrow_page(title: str, body: str, *, language: Language, head: str = "") -> str:
    """A page of the sign-in: one narrow column."""
    return _page(title, f'<main class="narrow">{body}</main>', language=language, head=head)


def seller_page(
    title: str, body: str, *, language: Language, csrf: str, tours: Tour = Tour.NONE, closed: frozenset[str] | set[str] = frozenset()
) -> str:
    """A page behind the sign-in: a header, and ``meta[name=anti-csrftoken-a2z]`` by which such a page is known.

    Args:
        tours: what lies over the page, unless it is named in ``closed``.
    """
    header = (
        '<header id="sc-navbar"><span class="mark">seller sandbox</span>'
        f'<a href="/home">{say("home", language)}</a><a href="/orders-v3">{say("orders", language)}</a>'
        f'<form method="post" action="/ap/signout"><input type="submit" value="{say("sign_out", language)}"></form></header>'
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


def _tours(tours: Tour, closed: frozenset[str] | set[str], language: Language) -> str:
    out = ""
    if tours in (Tour.JOYRIDE, Tour.BOTH) and "joyride" not in closed:
        close = "sandboxClose('joyride');document.getElementById('react-joyride-portal').remove()"
        out += (
            '<div id="react-joyride-portal"><div class="react-joyride__overlay"></div><div class="react-joyride__tooltip" '
            f'role="alertdialog"><p>{say("tour", language)}</p><button type="button" data-action="skip" '
            f'onclick="{close}">{say("skip", language)}</button></div></div>'
        )
    if tours in (Tour.KATAL, Tour.BOTH) and "katal" not in closed:
        out += f'<kat-modal class="sellerOnboardingPopup" visible><p>{say("tour", language)}</p></kat-modal>'
    return out


def _page(title: str, body: str, *, language: Language, head: str) -> str:
    direction = "rtl" if language is Language.ARABIC else "ltr"
    return (
        f'<!doctype html><html lang="{language}-AE" dir="{direction}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{escape(title)}</title>'
        f'<link rel="icon" href="data:,"><style>{_STYLE}</style><script>{_COMPONENTS}</script>{head}</head><body>{body}'
        '<footer>A look-alike for tests. It is not run by Amazon. <a href="/__sandbox">control page</a></footer></body></html>'
    )
