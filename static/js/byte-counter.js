// <p data-bytes-for="id" data-bytes-limit="4000"><output></output></p> counts the UTF-8 bytes of a text as it is typed.
// With data-bytes-by="id" and data-bytes-limits="wecom:4000 sms:1000" the limit is that of the chosen channel.
const encoder = new TextEncoder();

for (const place of document.querySelectorAll("[data-bytes-for]")) {
  const field = document.getElementById(place.dataset.bytesFor);
  const chooser = document.getElementById(place.dataset.bytesBy || "");
  const limits = new Map((place.dataset.bytesLimits || "").trim().split(" ").map((pair) => pair.split(":")));
  const count = () => {
    const limit = Number(chooser ? limits.get(chooser.value) : place.dataset.bytesLimit);
    const size = encoder.encode(field.value.trim().replaceAll("\r\n", "\n")).length;
    const words = place.dataset.bytesWords.replace("SIZE", size).replace("LIMIT", limit);
    place.querySelector("output").textContent = words;
    place.classList.toggle("over", size > limit);
  };
  field.addEventListener("input", count);
  chooser?.addEventListener("change", count);
  if (field.value || chooser) count();
}
