// Toasts close by hand; those that bring good news also leave by themselves.
const READING_TIME = 6000;

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
  const lost = () => place.append(root.getElementById("lost-connection").content.cloneNode(true));
  root.addEventListener("htmx:sendError", lost);
  root.addEventListener("htmx:responseError", lost);
}
