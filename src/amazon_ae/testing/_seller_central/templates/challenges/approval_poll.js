// The page that waits for a push message polls and continues as soon as the other device has approved.
setInterval(async () => {
  const form = document.getElementById('pollingForm');
  const answer = await fetch(form.action + '?' + new URLSearchParams(new FormData(form)));
  const state = await answer.json();
  if (state.transactionApprovalStatus === 'TransactionCompleted') location = state.next;
}, 700);
