// Shows the cases that a reader asks for. Without it, the page has all of them.
(() => {
  const at = (id) => document.getElementById(id);
  const cases = Array.from(document.querySelectorAll("details.case"));
  const groups = Array.from(document.querySelectorAll(".group"));
  const filter = () => {
    const words = at("words").value.toLowerCase().split(/\s+/).filter(Boolean);
    const concern = at("concern").value;
    const tag = at("tag").value;
    let found = 0;
    for (const each of cases) {
      const text = words.length ? each.textContent.toLowerCase() : "";
      each.hidden =
        (concern && !each.classList.contains(concern)) ||
        (tag && !each.dataset.tags.split("\n").includes(tag)) ||
        !words.every((word) => text.includes(word));
      found += each.hidden ? 0 : 1;
    }
    for (const group of groups) {
      group.hidden = !group.querySelector("details.case:not([hidden])");
    }
    at("found").textContent = found === cases.length ? "" : `${found} of ${cases.length}`;
  };
  const opened = () => {
    const shown = cases.filter((each) => !each.hidden);
    const open = shown.some((each) => !each.open);
    for (const each of shown) each.open = open;
    at("open").textContent = open ? "Close all" : "Open all";
  };
  // A link to a case opens it.
  const reached = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target && target.matches("details.case")) {
      target.hidden = false;
      target.open = true;
      target.scrollIntoView();
    }
  };
  at("filter").hidden = false;
  at("filter").addEventListener("input", filter);
  at("filter").addEventListener("submit", (event) => event.preventDefault());
  at("open").addEventListener("click", opened);
  window.addEventListener("hashchange", reached);
  reached();
})();
