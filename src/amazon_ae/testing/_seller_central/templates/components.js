// As on the real site, components keep their insides in an open shadow root, and the button obeys a person's click only.
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
      + '\u00d7</button><slot></slot></div></div>';
    root.querySelector('[name=close]').addEventListener('click', () => { sandboxClose('katal'); this.remove() });
  }
}
function sandboxClose(what) {
  fetch('/__sandbox/close', { method: 'POST', body: new URLSearchParams({ what }), keepalive: true });
}
customElements.define('kat-button', KatButton);
customElements.define('kat-modal', KatModal);
