// Toasts close by hand; those that bring good news also leave by themselves.
const READING_TIME = 6000;
const FAILED = 500;

function watch(toast) {
  toast.dataset.watched = "yes";
  toast.querySelector("[data-close]").addEventListener("click", () => toast.remove());
  if (toast.classList.contains("tone-danger")) return;
  setTimeout(() => { if (!toast.matches(":hover, :focus-within")) toast.remove(); }, READING_TIME);
}

export function bindToasts(root) {
  const place = root.getElementById("toasts");
  const watchAll = () => place.querySelectorAll("[data-toast]:not([data-watched])").forEach(watch);
  watchAll();
  new MutationObserver(watchAll).observe(place, { childList: true });
  sayWhenLost(root, place);
}

// Polls and drafts ask again and again: one toast for all of it, gone once what failed gets through.
function sayWhenLost(root, place) {
  let toast = null;
  const failing = new Set();
  const lost = (event) => {
    failing.add(event.detail.elt);
    if (toast?.isConnected) return;
    const words = event.detail.xhr.status === FAILED ? "our-mistake" : "lost-connection";
    place.append(root.getElementById(words).content.cloneNode(true));
    toast = place.lastElementChild;
  };
  root.addEventListener("htmx:sendError", lost);
  root.addEventListener("htmx:responseError", lost);
  root.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.isError) return;
    failing.delete(event.detail.requestConfig.elt);
    if (![...failing].some((element) => element.isConnected)) toast?.remove();
  });
}
