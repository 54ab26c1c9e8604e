// <form data-editor> keeps what is typed: what did not reach the server is sent again until it does.
const AGAIN_AFTER = 5000;
const GATEWAY_ERRORS = 502;

export function bindDrafts(root) {
  let next = 0;
  const again = (event) => {
    const { elt: form, xhr } = event.detail;
    if (!form.matches("form[data-editor]") || (xhr.status && xhr.status < GATEWAY_ERRORS)) return;
    root.getElementById("kept").classList.add("is-behind");
    clearTimeout(next);
    next = setTimeout(() => form.dispatchEvent(new Event("change")), AGAIN_AFTER);
  };
  root.addEventListener("htmx:sendError", again);
  root.addEventListener("htmx:responseError", again);
}
