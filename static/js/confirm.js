// <form data-confirm="Sure?"> asks in the page's own dialog before it is sent; a button's own data-confirm goes first.
export function bindConfirm(root) {
  const dialog = root.getElementById("confirm");
  let waiting = null;
  let asked = null;

  root.addEventListener("submit", (event) => {
    const form = event.target.closest("form");
    const question = event.submitter?.dataset.confirm || form?.dataset.confirm;
    if (!question || form === waiting) { waiting = null; return; }
    event.preventDefault();
    event.stopImmediatePropagation();
    asked = form;
    dialog.querySelector("p").textContent = question;
    dialog.returnValue = "no";
    dialog.addEventListener("close", () => {
      if (dialog.returnValue !== "yes") return;
      waiting = form;
      form.requestSubmit(event.submitter);
    }, { once: true });
    dialog.showModal();
  }, { capture: true });

  // Taken off the page by a poll meanwhile, the form could not be sent any more; the next poll brings the same news.
  root.addEventListener("htmx:beforeSwap", (event) => {
    if (dialog.open && event.detail.target.contains(asked)) event.detail.shouldSwap = false;
  });
}
