// <p data-bytes-for="id" data-bytes-limit="4000"><output></output></p> counts the UTF-8 bytes of a text as it is typed.
// With data-bytes-by="id" and data-bytes-limits="wecom:4000 sms:1000" the limit is that of the chosen channel.
// A limit may be in characters: data-bytes-limits="group:4000:bytes moment:2000:characters", said by data-characters-words.
const encoder = new TextEncoder();
const grouped = (figure) => figure.toLocaleString(document.documentElement.lang);

for (const place of document.querySelectorAll("[data-bytes-for]")) {
  const field = document.getElementById(place.dataset.bytesFor);
  const chooser = document.getElementById(place.dataset.bytesBy || "");
  const pairs = (place.dataset.bytesLimits || "").trim().split(" ").map((pair) => pair.split(":"));
  const limits = new Map(pairs.map(([name, limit, unit]) => [name, { limit: Number(limit), unit }]));
  const count = () => {
    const { limit, unit } = (chooser && limits.get(chooser.value)) || { limit: Number(place.dataset.bytesLimit) };
    const text = field.value.trim().replaceAll("\r\n", "\n");
    const inCharacters = unit === "characters";
    const size = inCharacters ? [...text].length : encoder.encode(text).length;
    const said = inCharacters ? place.dataset.charactersWords : place.dataset.bytesWords;
    place.querySelector("output").textContent = said.replace("SIZE", grouped(size)).replace("LIMIT", grouped(limit));
    place.classList.toggle("over", size > limit);
  };
  field.addEventListener("input", count);
  chooser?.addEventListener("change", count);
  count();
}
