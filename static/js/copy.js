// <button data-copy="id" data-copied="Copied" hidden> shows itself where the browser can copy, and copies that element's text.
const SAID_FOR = 2000;

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  const label = button.querySelector("span");
  const words = label.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).innerText);
    label.textContent = button.dataset.copied;
    setTimeout(() => { label.textContent = words; }, SAID_FOR);
  });
}
