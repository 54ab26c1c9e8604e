// Whoever is signed out meanwhile keeps what they typed: they sign in in another tab, and go on here.
const SIGN_IN = "/accounts/login";
const leadsThere = (address) => new URL(address || "", location.href).pathname.startsWith(SIGN_IN);

export function bindSignedOut(root) {
  let toast = null;
  root.addEventListener("htmx:beforeSwap", (event) => {
    if (!leadsThere(event.detail.xhr.responseURL)) return;
    event.detail.shouldSwap = false;
    if (!root.querySelector("form[data-unsaved], form[data-editor]")) location.reload();
    else if (!toast?.isConnected) {
      root.getElementById("toasts").append(root.getElementById("signed-out").content.cloneNode(true));
      toast = root.getElementById("toasts").lastElementChild;
    }
  });
  root.addEventListener("visibilitychange", async () => {
    if (!toast?.isConnected || root.hidden) return;
    const answer = await fetch(location.href);
    if (!answer.ok || leadsThere(answer.url)) return;
    takeToken(root, /name="csrfmiddlewaretoken" value="(\w+)"/.exec(await answer.text())?.[1]);
    toast.remove();
  });
}

// Signing in changes the token that forms carry.
function takeToken(root, token) {
  if (!token) return;
  root.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRFToken": token }));
  for (const input of root.querySelectorAll("input[name=csrfmiddlewaretoken]")) input.value = token;
}
