// <form data-confirm="Sure?"> asks in the page's own dialog before it is sent; a button's own data-confirm goes first.
export function bindConfirm(root) {
  const dialog = root.getElementById("confirm");
  let waiting = null;

  root.addEventListener("submit", (event) => {
    const form = event.target.closest("form");
    const question = event.submitter?.dataset.confirm || form?.dataset.confirm;
    if (!question || form === waiting) { waiting = null; return; }
    event.preventDefault();
    event.stopImmediatePropagation();
    dialog.querySelector("p").textContent = question;
    dialog.returnValue = "no";
    dialog.addEventListener("close", () => {
      if (dialog.returnValue !== "yes") return;
      waiting = form;
      form.requestSubmit(event.submitter);
    }, { once: true });
    dialog.showModal();
  }, { capture: true });
}
