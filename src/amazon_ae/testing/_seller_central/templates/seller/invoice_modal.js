// The modal is filled by a request of its own when its button is pressed, as a single-page application does it.
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
