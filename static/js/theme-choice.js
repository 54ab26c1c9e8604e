// Radio buttons named "theme": light, dark, or as the system. Kept on this device.
const KEY = "liuke-theme";

export function bindThemeChoice(root) {
  const chosen = root.querySelector(`input[name=theme][value="${localStorage.getItem(KEY) || "auto"}"]`);
  if (chosen) chosen.checked = true;
  root.addEventListener("change", (event) => {
    if (event.target.name !== "theme") return;
    localStorage.setItem(KEY, event.target.value);
    dispatchEvent(new Event("liuke:theme"));
  });
}
