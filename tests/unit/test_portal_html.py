"""Reading fetched HTML: selectors, visibility and forms."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._portal.html import check_selector, parse_html, read_form

PAGE = """
<!doctype html><html><head><title>t</title><meta name="anti-csrftoken-a2z" content="x"></head><body>
<div id="one" class="box wide"><p class="inner"><a href="/a/download?x=1&amp;y=2" data-test-id="first">A</a></p></div>
<div class="box" style="display: none"><a id="hidden-link" href="/b/download">B</a></div>
<span data-test-id="button" class="a-button a-button-primary"><input type="submit" value="go"></span>
<span data-test-id="button" class="a-button"><input type="submit" value="stay"></span>
<input type="hidden" name="token" value="1"><br><p>after the void elements</p>
<form id="f" method="POST" action="/send?x=1"><input name="a" value="1"><input type="checkbox" name="b" checked>
<input type="checkbox" name="c"><select name="d"><option value="1">one<option value="2" selected>two</select>
<textarea name="e">long
text</textarea><input name="off" disabled value="x"><input type="file" name="file">
<input type="submit" name="go" value="Go"><button name="other" value="Other">O</button></form>
</body></html>
"""


def _ids(selector: str) -> list[str]:
    tree = parse_html(PAGE)
    return [
        item.attributes.get("id") or item.attributes.get("href") or item.attributes.get("value") or item.tag
        for item in tree.find((selector,))
    ]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("#one", ["one"]),
        ("div#one.box.wide", ["one"]),
        ("div.box", ["one", "div"]),
        ("a[href*='/download']", ["/a/download?x=1&y=2", "hidden-link"]),
        ("a[href^='/a']", ["/a/download?x=1&y=2"]),
        ('a[href$="download"]', ["hidden-link"]),
        ("[data-test-id=first]", ["/a/download?x=1&y=2"]),
        ("[class~=wide]", ["one"]),
        ("meta[name=anti-csrftoken-a2z]", ["meta"]),
        ("#one a", ["/a/download?x=1&y=2"]),
        ("#one > a", []),
        ("#one > p > a", ["/a/download?x=1&y=2"]),
        ("body p a", ["/a/download?x=1&y=2"]),
        ("[data-test-id=button]:not(.a-button-primary) input[type=submit]", ["stay"]),
        ("[data-test-id=button].a-button-primary", ["span"]),
        ("input:not([type])[name=a]", ["1"]),
        ("a[href*='']", []),
        ("#nothing", []),
    ],
)
def test_a_selector_finds_what_a_browser_would(selector: str, expected: list[str]) -> None:
    """Tag, id, class, attribute operators, :not, descendant and child, in the document's order."""
    assert _ids(selector) == expected


@pytest.mark.parametrize(
    "selector", ["", "a:hover", "a:visible", "a:not(:focus)", "p:lexbor-contains('x')", "text=Go", "xpath=//a", "a["]
)
def test_a_selector_that_does_not_work_on_a_fetched_page_is_refused(selector: str) -> None:
    """What only a rendered page or one of the two engines knows would match nothing, silently."""
    with pytest.raises(ConfigurationError):
        check_selector(selector)


@pytest.mark.parametrize("selector", ["a, b", "a + b", "[title='a:hover']", "li:nth-child(2n+1)", "p:has(> a):not(.x)"])
def test_a_selector_that_both_engines_know_is_taken(selector: str) -> None:
    """All of CSS whose answer is in the markup."""
    check_selector(selector)


def test_what_the_markup_hides_is_not_visible() -> None:
    """Hidden inputs, display:none above, and everything in the head."""
    tree = parse_html(PAGE)

    def visible(selector: str) -> bool:
        return next(tree.find((selector,))).visible

    assert visible("#one")
    assert not visible("#hidden-link")
    assert not visible("input[name=token]")
    assert not visible("meta")
    assert not next(parse_html("<div hidden><p id=x>").find(("#x",))).visible


def test_a_form_is_sent_as_a_click_would_send_it() -> None:
    """Successful controls only, the first named button, and an absolute address."""
    tree = parse_html(PAGE)
    form = read_form(next(tree.find(("form#f",))), "https://portal.example/orders/1")
    assert (form.method, form.url) == ("POST", "https://portal.example/send?x=1")
    assert form.fields == {"a": "1", "b": "on", "d": "2", "e": "long\ntext", "go": "Go"}


def test_another_button_of_a_form_is_sent_instead() -> None:
    """Only the button that was pressed is sent."""
    tree = parse_html(PAGE)
    element = next(tree.find(("form#f",)))
    form = read_form(element, "https://portal.example/", button=next(tree.find(("button[name=other]",))))
    assert form.fields["other"] == "Other"
    assert "go" not in form.fields


def test_a_forms_values_are_not_in_its_repr() -> None:
    """They hold tokens."""
    tree = parse_html('<form action="/x"><input name="t" value="very-secret"></form>')
    assert "very-secret" not in repr(read_form(next(tree.find(("form",))), "https://portal.example/"))


@given(st.text(alphabet="<>/=\"' abdipv&;!-#", max_size=200))
def test_any_text_gives_a_tree(text: str) -> None:
    """Broken markup is never an error."""
    tree = parse_html(text)
    assert list(tree.find(("div", "a", "p"))) is not None
