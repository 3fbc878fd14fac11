"""The look of the pages and the web components they are built of; everything inline, nothing from elsewhere."""

from __future__ import annotations

from typing import Final

__all__ = ["APPROVAL_POLL", "COMPONENTS", "INVOICE_MODAL", "PICKER", "STYLE"]

STYLE: Final = """
* { box-sizing: border-box }
body { margin: 0; font: 14px/1.5 system-ui, "Noto Sans Arabic", sans-serif; color: #16191f; background: #f4f5f5 }
a { color: #00629b }
h1 { font-size: 24px; font-weight: 500; margin: 0 0 14px }
h2 { font-size: 17px; font-weight: 600; margin: 20px 0 8px }
header { background: #002f36; color: #fff; padding: 10px 24px; display: flex; gap: 22px; align-items: center }
header a { color: #fff; text-decoration: none }
header .mark { font-weight: 600; font-size: 16px }
header form { margin-inline-start: auto }
header select { width: auto !important }
main { width: calc(100% - 24px); max-width: 1040px; margin: 22px auto; padding: 22px 26px; background: #fff;
  border: 1px solid #d5d9d9; border-radius: 8px }
main.narrow { max-width: 400px; margin-top: 54px }
label { display: block; font-weight: 600; margin: 12px 0 3px }
label.plain { font-weight: 400 }
input[type=text], input[type=email], input[type=password], select { width: 100%; padding: 7px 9px; font: inherit;
  border: 1px solid #888c8c; border-radius: 4px; background: #fff }
input[type=submit], button { font: inherit; padding: 6px 16px; border: 1px solid #888c8c; border-radius: 4px;
  background: #fff; cursor: pointer }
.primary, .a-button-primary input { background: #008296 !important; border-color: #00687a !important; color: #fff }
form p { margin: 16px 0 0 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: start; padding: 7px 9px; border-bottom: 1px solid #e7e9e9; vertical-align: top }
.a-alert { border: 1px solid #c40000; border-radius: 6px; padding: 10px 14px; margin-bottom: 14px; background: #fff6f5 }
.a-alert h4 { margin: 0 }
.a-alert-content { color: #8c1c13 }
.cvf-widget-alert { color: #8c1c13; margin-bottom: 10px }
.actions { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; margin-bottom: 14px }
.actions form { margin: 0 }
.actions a { border: 1px solid #888c8c; border-radius: 4px; padding: 6px 16px; text-decoration: none; color: inherit }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 5px 20px; margin: 0 }
dt { color: #565959 }
dd { margin: 0 }
.a-popover-modal { position: fixed; inset: 0; background: #0008; z-index: 20; display: none }
.a-popover-modal[aria-hidden=false] { display: block }
.a-popover-inner { background: #fff; max-width: 680px; margin: 90px auto; padding: 22px 26px; border-radius: 8px }
.a-popover-inner [name=close] { float: inline-end }
.a-popover-inner iframe { width: 100%; height: 160px; border: 0 }
kat-table { display: table; width: 100% }
kat-table-head { display: table-header-group; color: #565959 }
kat-table-body { display: table-row-group }
kat-table-row { display: table-row }
kat-table-cell { display: table-cell; padding: 7px 9px; border-bottom: 1px solid #e7e9e9 }
.react-joyride__overlay { position: fixed; inset: 0; background: #0007; z-index: 30 }
.react-joyride__tooltip { position: fixed; z-index: 31; top: 120px; inset-inline-start: calc(50% - 150px); width: 300px;
  background: #fff; border-radius: 8px; padding: 18px }
.full-page-account-switcher-account { border: 1px solid #d5d9d9; border-radius: 6px; margin: 8px 0 }
.full-page-account-switcher-account .full-page-account-switcher-account { margin: 4px 14px 8px }
.full-page-account-switcher-account-details { width: 100%; border: 0; text-align: start; padding: 11px 14px }
[class*=switcher-account].selected > button, .picker-button.selected { background: #e0f3f5 }
.picker-app { display: flex; gap: 16px }
.picker-column { flex: 1 }
.picker-button { width: 100%; margin: 3px 0; text-align: start }
.pagination-controls { list-style: none; padding: 0 }
footer { max-width: 1040px; margin: 10px auto 40px; color: #777; font-size: 12px; padding: 0 26px }
footer a { color: #777 }
@media print { header, footer { display: none } main { border: 0; margin: 0; max-width: none } }
"""

# As on the real site, components keep their insides in an open shadow root, and the button obeys a person's click only.
COMPONENTS: Final = """
class KatButton extends HTMLElement {
  static get observedAttributes() { return ['disabled'] }
  connectedCallback() {
    this.button = document.createElement('button');
    this.button.textContent = this.getAttribute('label');
    this.button.style.cssText = 'font: inherit; padding: 6px 18px; border-radius: 4px; border: 1px solid #00687a;'
      + ' background: #008296; color: #fff; cursor: pointer';
    this.attachShadow({ mode: 'open' }).append(this.button);
    this.addEventListener('click', event => {
      if (event.isTrusted && !this.hasAttribute('disabled')) return;
      event.stopImmediatePropagation();
      event.preventDefault();
    }, true);
    this.attributeChangedCallback();
  }
  attributeChangedCallback() {
    if (!this.button) return;
    this.button.disabled = this.hasAttribute('disabled');
    this.button.style.opacity = this.button.disabled ? 0.45 : 1;
  }
}
class KatModal extends HTMLElement {
  connectedCallback() {
    const root = this.attachShadow({ mode: 'open' });
    root.innerHTML = '<div style="position: fixed; inset: 0; background: #0007; z-index: 40"><div role="dialog"'
      + ' style="background: #fff; width: 320px; margin: 130px auto; padding: 20px; border-radius: 8px">'
      + '<button class="close" name="close" aria-label="Close" style="float: inline-end; cursor: pointer">'
      + '\\u00d7</button><slot></slot></div></div>';
    root.querySelector('[name=close]').addEventListener('click', () => { sandboxClose('katal'); this.remove() });
  }
}
function sandboxClose(what) {
  fetch('/__sandbox/close', { method: 'POST', body: new URLSearchParams({ what }), keepalive: true });
}
customElements.define('kat-button', KatButton);
customElements.define('kat-modal', KatModal);
"""

# The page that waits for a push message polls and continues as soon as the other device has approved.
APPROVAL_POLL: Final = """
setInterval(async () => {
  const form = document.getElementById('pollingForm');
  const answer = await fetch(form.action + '?' + new URLSearchParams(new FormData(form)));
  const state = await answer.json();
  if (state.transactionApprovalStatus === 'TransactionCompleted') location = state.next;
}, 700);
"""

# The modal is filled by a request of its own when its button is pressed, as a single-page application does it.
INVOICE_MODAL: Final = """
(() => {
  const modal = document.querySelector('.a-popover-modal');
  const place = modal.querySelector('.a-popover-content');
  modal.querySelector('[name=close]').onclick = () => modal.setAttribute('aria-hidden', 'true');
  document.addEventListener('click', async event => {
    if (!event.target.closest('[data-test-id=manage-idu-invoice-button]:not(.a-button-primary)')) return;
    event.preventDefault();
    const address = modal.dataset.address;
    if (modal.dataset.frame) place.innerHTML = `<iframe src="${address}?frame=1"></iframe>`;
    else place.innerHTML = await (await fetch(address)).text();
    modal.setAttribute('aria-hidden', 'false');
  });
  document.addEventListener('click', async event => {
    const download = event.target.closest('[data-invoice]');
    if (!download || !event.isTrusted) return;
    const csrf = document.querySelector('meta[name=anti-csrftoken-a2z]').content;
    const answer = await fetch('/documents/token/' + download.dataset.invoice,
      { method: 'POST', headers: { 'anti-csrftoken-a2z': csrf } });
    window.open((await answer.json()).url, download.dataset.target || '_self');
  });
})();
"""

# Both account pickers: an account opens its marketplaces, a marketplace can be chosen, the button sends the choice.
PICKER: Final = """
(() => {
  const form = document.getElementById('sandbox-pick');
  const button = document.querySelector('main kat-button, .picker-switch-accounts-button');
  const select = (rows, row) => {
    rows.forEach(other => { other.classList.remove('selected'); other.parentElement.classList.remove('selected') });
    row.classList.add('selected');
    row.parentElement.classList.add('selected');
  };
  const draw = () => {
    document.getElementById('sandbox-rows').append(document.getElementById('sandbox-late').content);
    const accounts = document.querySelectorAll('[data-account]');
    const choices = document.querySelectorAll('[data-choice]');
    accounts.forEach(account => account.onclick = () => {
      select(accounts, account);
      form.account.value = account.dataset.account;
      const lists = [...document.querySelectorAll('[data-marketplaces]')];
      const own = lists.find(list => list.dataset.marketplaces === account.dataset.account) || lists[0];
      own.hidden = false;
    });
    choices.forEach(choice => choice.onclick = () => {
      select(choices, choice);
      form.account.value = choice.closest('[data-marketplaces]').dataset.marketplaces || form.account.value;
      form.marketplace.value = choice.dataset.choice;
      button.removeAttribute('disabled');
    });
  };
  if (drawAfter) setTimeout(draw, drawAfter); else draw();
  button.addEventListener('click', () => form.submit());
})();
"""
