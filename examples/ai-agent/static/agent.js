const list = document.getElementById("said");
const form = document.querySelector("form");
const messages = [];

function show(role, content) {
  const line = document.createElement("li");
  line.dataset.role = role;
  line.textContent = content;
  list.append(line);
  line.scrollIntoView();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { code, text } = Object.fromEntries(new FormData(form));
  messages.push({ role: "user", content: text });
  show("user", text);
  form.elements.text.value = "";
  form.querySelector("button").disabled = true;
  try {
    const answer = await fetch("/chat", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Access-Code": code },
      body: JSON.stringify({ messages }),
    });
    const told = await answer.json();
    if (answer.ok) messages.push({ role: "assistant", content: told.answer });
    else messages.pop();
    show("assistant", told.answer ?? told.error);
  } catch {
    messages.pop();
    show("assistant", "The agent is not reached.");
  }
  form.querySelector("button").disabled = false;
});
