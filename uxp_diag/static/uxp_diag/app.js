// What the keyboard can do on lists. Every page works without this file.
//
// j and k move a mark over the rows, Enter opens the marked one, / goes to the search field,
// x chooses it, ? shows this list. An element with `data-key` has a letter of its own: its menu opens,
// its field gets the focus, its button is pressed. Letters do nothing while somebody types, or with
// Ctrl, Alt or Meta, and can be turned off.

const KEYS = [
  ["j", "next row"],
  ["k", "row before"],
  ["Enter", "open the marked row"],
  ["x", "choose the marked row"],
  ["e", "resolve"],
  ["m", "mute"],
  ["a", "assign"],
  ["c", "comment"],
  ["/", "go to the search field"],
  ["?", "show the keys"],
];

const OFF = "uxp-keys-off";

function isTyping(target) {
  return target.closest("input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable]") !== null;
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
  all[to].querySelector("a[href]")?.focus({ preventScroll: true });
  all[to].scrollIntoView({ block: "nearest" });
}

function openMarked() {
  markedRow()?.querySelector("a[href]")?.click();
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
  const choice = document.createElement("label");
  const box = Object.assign(document.createElement("input"), { type: "checkbox" });
  box.checked = localStorage.getItem(OFF) === null;
  box.addEventListener("change", () => {
    if (box.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "1");
  });
  choice.append(box, " Letters do this");
  const form = Object.assign(document.createElement("form"), { method: "dialog" });
  form.append(Object.assign(document.createElement("button"), { className: "button", textContent: "Close" }));
  dialog.append(title, list, choice, form);
  dialog.setAttribute("aria-label", "Keys");
  document.body.append(dialog);
  return dialog;
}

function choose() {
  markedRow()?.querySelector("input[type=checkbox]")?.click();
}

// On a list the letter means the chosen rows, or else the marked one.
function press(letter) {
  const element = document.querySelector(`[data-key="${letter}"]`);
  if (element === null) return;
  if (element.tagName === "SUMMARY") {
    element.parentElement.open = true;
    element.parentElement.querySelector("input:not([type=hidden]), select, button")?.focus();
  } else if (element.tagName === "BUTTON") {
    if (document.querySelector(".pick :checked, .bulk-all :checked") === null) choose();
    if (document.querySelector(".pick :checked, .bulk-all :checked") !== null) element.click();
  } else {
    element.focus();
  }
}

const ACTIONS = {
  j: () => moveMark(1),
  k: () => moveMark(-1),
  x: choose,
  e: () => press("e"),
  m: () => press("m"),
  a: () => press("a"),
  c: () => press("c"),
  "/": goToSearch,
  "?": showKeys,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || isTyping(event.target)) return;
  if (localStorage.getItem(OFF) !== null || document.querySelector("dialog[open]") !== null) return;
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

// Escape closes a menu and goes back to what opened it.
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" ? event.target.closest("details.menu[open]") : null;
  if (menu === null) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

// The list of keys is also in the menu, for those who turned the letters off.
for (const button of document.querySelectorAll("[data-show-keys]")) {
  button.hidden = false;
  button.addEventListener("click", showKeys);
}
