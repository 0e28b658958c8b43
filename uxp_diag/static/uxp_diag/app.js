// What the keyboard can do on lists. Every page works without this file.
//
// j and k move a mark over the rows, Enter opens the marked one, / goes to the search field,
// ? shows this list. Letters do nothing while somebody types, or with Ctrl, Alt or Meta.

const KEYS = [
  ["j", "next row"],
  ["k", "row before"],
  ["Enter", "open the marked row"],
  ["/", "go to the search field"],
  ["?", "show the keys"],
];

function isTyping(target) {
  return target.closest("input, select, textarea, [contenteditable]") !== null;
}

function rows() {
  return [...document.querySelectorAll("tr[data-row]")];
}

function markedRow() {
  return document.querySelector("tr.is-marked");
}

function moveMark(step) {
  const all = rows();
  if (all.length === 0) return;
  const from = all.indexOf(markedRow());
  const to = Math.min(Math.max(from + step, 0), all.length - 1);
  markedRow()?.classList.remove("is-marked");
  all[to].classList.add("is-marked");
  all[to].querySelector("a")?.focus({ preventScroll: true });
  all[to].scrollIntoView({ block: "nearest" });
}

function openMarked() {
  markedRow()?.querySelector("a")?.click();
}

function goToSearch() {
  const field = document.querySelector("input[type=search]");
  field?.focus();
  field?.select();
}

function showKeys() {
  const dialog = document.querySelector("dialog.keys") ?? makeDialog();
  dialog.showModal();
}

function makeDialog() {
  const dialog = document.createElement("dialog");
  dialog.className = "keys";
  const title = document.createElement("h2");
  title.textContent = "Keys";
  const list = document.createElement("dl");
  for (const [key, meaning] of KEYS) {
    const term = document.createElement("dt");
    term.append(Object.assign(document.createElement("kbd"), { textContent: key }));
    list.append(term, Object.assign(document.createElement("dd"), { textContent: meaning }));
  }
  const form = Object.assign(document.createElement("form"), { method: "dialog" });
  form.append(Object.assign(document.createElement("button"), { className: "button", textContent: "Close" }));
  dialog.append(title, list, form);
  document.body.append(dialog);
  return dialog;
}

const ACTIONS = {
  j: () => moveMark(1),
  k: () => moveMark(-1),
  "/": goToSearch,
  "?": showKeys,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || isTyping(event.target)) return;
  if (event.key === "Enter" && event.target === document.body) {
    openMarked();
    return;
  }
  const action = ACTIONS[event.key];
  if (action === undefined) return;
  event.preventDefault();
  action();
});

// The search field lies outside what is replaced, so it is told which query a link asked for.
document.addEventListener("htmx:pushedIntoHistory", (event) => {
  const field = document.getElementById("q");
  const asked = new URL(event.detail.path, location.href).searchParams.get("q");
  if (field !== null && asked !== null) field.value = asked;
});

// A menu closes when one looks elsewhere.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
