// <p data-bytes-for="id" data-bytes-limit="4000"><output></output></p> counts the UTF-8 bytes of a text as it is typed.
const encoder = new TextEncoder();

for (const place of document.querySelectorAll("[data-bytes-for]")) {
  const field = document.getElementById(place.dataset.bytesFor);
  const limit = Number(place.dataset.bytesLimit);
  const count = () => {
    const size = encoder.encode(field.value.trim().replaceAll("\r\n", "\n")).length;
    const words = place.dataset.bytesWords.replace("SIZE", size).replace("LIMIT", limit);
    place.querySelector("output").textContent = words;
    place.classList.toggle("over", size > limit);
  };
  field.addEventListener("input", count);
  if (field.value) count();
}
