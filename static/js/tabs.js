// Of a row of tabs wider than the screen the chosen one is in view.
export function showChosenTabs(root) {
  for (const tab of root.querySelectorAll(".tabs [aria-current]")) {
    const row = tab.closest(".tabs");
    const [seen, wanted] = [row.getBoundingClientRect(), tab.getBoundingClientRect()];
    row.scrollLeft += wanted.left - seen.left - (seen.width - wanted.width) / 2;
  }
}
