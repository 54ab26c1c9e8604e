// <form data-unsaved> is not left by mistake while something typed in it is kept nowhere: the browser asks first.
// data-unsaved="yes" says that it came back from the server unsaved.
export function bindUnsaved(root) {
  for (const form of root.querySelectorAll("form[data-unsaved]")) {
    let unsaved = form.dataset.unsaved === "yes";
    let leaving = false;
    const typed = () => { unsaved = true; };
    form.addEventListener("input", typed);
    form.addEventListener("click", (event) => {
      if (event.target.closest("button[hx-post]")) typed();
    });
    root.addEventListener("submit", (event) => {
      if (event.target === form && !event.defaultPrevented) leaving = true;
    });
    addEventListener("pageshow", () => { leaving = false; });
    addEventListener("beforeunload", (event) => {
      if (unsaved && !leaving) event.preventDefault();
    });
  }
}
