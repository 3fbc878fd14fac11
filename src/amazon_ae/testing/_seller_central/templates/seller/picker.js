// Both account pickers: an account opens its marketplaces, a marketplace can be chosen, the button sends the choice.
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
