// Sends a request, shows each call as it comes, and holds the picture and the list against the state of the car.
// Text reaches the page as textContent alone.

const $ = (id) => document.getElementById(id);
const answers = $("answers"), earlier = $("earlier"), query = $("query");
let busy = false; // one request at a time: the car carries them out in their order
const clone = (id) => $(id).content.firstElementChild.cloneNode(true);

// One property's values: its parts of the picture carry them for the style sheet, its row of the list says them.
function show({ name, values, words }, mark) {
  for (const part of document.querySelectorAll(`[data-property="${CSS.escape(name)}"]`)) {
    const value = String(values[part.dataset.area] ?? "");
    if (mark && part.dataset.value !== value) part.classList.add("changed");
    part.dataset.value = value;
    part.style.setProperty("--value", value === "true" ? 1 : Number(value) || 0);
    if ("unit" in part.dataset) part.textContent = value && value + part.dataset.unit;
  }
  const row = document.querySelector(`[data-row="${CSS.escape(name)}"]`);
  if (!row) return;
  const said = row.querySelector("dd");
  if (mark && said.textContent !== words) row.classList.add("changed");
  said.textContent = words;
}

function unmark() {
  for (const part of document.querySelectorAll(".changed")) part.classList.remove("changed");
}

// The lines of a reply, each one JSON, as they come.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}

function addLine(answer, kind, what, when, code) {
  const line = clone("line");
  line.className = kind;
  line.querySelector(".what").textContent = what;
  line.querySelector(".when").textContent = when;
  line.querySelector("code").textContent = code;
  answer.querySelector(".calls").append(line);
}

async function send(path, body, asked, form) {
  const button = form.querySelector("button");
  button.disabled = busy = true;
  unmark();
  const answer = clone("answer");
  answer.querySelector(".query").textContent = asked;
  earlier.querySelector("ol").prepend(...answers.children);
  earlier.hidden = !earlier.querySelector("li");
  answers.append(answer);
  $("empty").hidden = true;
  try {
    const response = await fetch(path, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    if (!response.ok) {
      const { error } = await response.json();
      addLine(answer, "refused", error.message, "", "");
      return;
    }
    for await (const event of events(response)) {
      for (const property of event.state ?? []) show(property, false);
      if (event.what) addLine(answer, event.kind, event.what, event.when ?? "", event.code ?? "");
      if (event.property) show(event.property, true);
      if (event.cost) answer.querySelector(".cost").textContent = event.cost;
    }
  } catch (error) {
    addLine(answer, "refused", "The server did not answer to the end. Is make demo still running?", "", String(error));
  } finally {
    button.disabled = busy = false;
  }
}

function ask(text) {
  if (busy || !text.trim()) return;
  query.value = "";
  send("ask", { query: text }, text, $("ask"));
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  ask(query.value);
});
for (const chip of document.querySelectorAll(".chip")) chip.addEventListener("click", () => ask(chip.textContent));
$("call").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!busy) send("call", { call: $("json").value }, "A call of your own", $("call"));
});
$("reset")?.addEventListener("click", async () => {
  unmark();
  const response = await fetch("reset", { method: "POST" });
  if (!response.ok) return;
  for (const property of await response.json()) show(property, false);
  answers.replaceChildren();
  earlier.querySelector("ol").replaceChildren();
  earlier.hidden = true;
  $("empty").hidden = false;
  $("empty").textContent = "The car is as it was at the start.";
});

for (const property of JSON.parse(document.body.dataset.state)) show(property, false);
