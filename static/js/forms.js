// Forms: one press is one request, chosen filters apply at once, a mistake is in view.
export function bindForms(root) {
  root.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.target.method !== "post") return;
    const button = event.submitter;
    if (button && !event.target.hasAttribute("hx-post")) setTimeout(() => { button.disabled = true; });
  });
  addEventListener("pageshow", () => {
    for (const button of root.querySelectorAll("form[method=post] button:disabled")) button.disabled = false;
  });
  root.addEventListener("change", (event) => {
    if (event.target.closest("[data-submit-on-change]")) event.target.form.requestSubmit();
  });
  showMistake(root);
}

function showMistake(root) {
  const wrong = root.querySelector("main .is-invalid, main .field-errors, main .notice.tone-danger[role=alert]");
  if (!wrong) return;
  wrong.scrollIntoView({ block: "center" });
  (wrong.matches("input, select, textarea") ? wrong : inputBeside(wrong))?.focus({ preventScroll: true });
}

function inputBeside(words) {
  const box = words.closest(".rule-condition, .rule-group, .field");
  return box?.querySelector(".rule-condition > .rule-value :is(input, select)") || box?.querySelector("select, textarea, input:not([type=hidden])");
}
