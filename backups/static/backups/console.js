// The only script of ours. Every page works without it; it makes live parts live and hands quick.
// No eval, no inline code, no inherited htmx attributes: htmx 4 is then a change of event names in this file.
"use strict";

(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) =>
    [...(root.matches?.(selector) ? [root] : []), ...root.querySelectorAll(selector)];
  const root = document.documentElement;

  // ---- htmx: nothing that the content security policy forbids, and forms that come back with 422 ----
  Object.assign(htmx.config, {
    includeIndicatorStyles: false, allowEval: false, allowScriptTags: false, selfRequestsOnly: true,
    historyCacheSize: 0, timeout: 10000,
    responseHandling: [
      { code: "204", swap: false },
      { code: "[23]..", swap: true },
      { code: "422", swap: true },
      { code: "[45]..", swap: false, error: true },
    ],
  });

  const isPoll = (element) => (element.getAttribute("hx-trigger") || "").startsWith("every");

  document.addEventListener("htmx:configRequest", (event) => {
    // The cookie is HttpOnly: the token stands in the page.
    event.detail.headers["X-CSRFToken"] = $('meta[name="csrf-token"]')?.content || "";
    if (isPoll(event.detail.elt)) event.detail.headers["X-Poll"] = "1";
  });

  // ---- polling: not while hidden or paused, slower after errors, and old figures say that they are old ----
  let paused = false, failures = 0, retryAt = 0, answeredAt = Date.now();

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!isPoll(event.detail.elt)) return;
    if (document.hidden || paused || Date.now() < retryAt) event.preventDefault();
  });

  // A form that is asked anew: what it said of its fields before is over. A preview asks beside it (data-aside).
  document.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => {
    const form = isPoll(elt) || "aside" in elt.dataset ? null : elt.closest("form");
    if (!form) return;
    $$(".note.fail[data-focus], .err", form).forEach((said) => said.remove());
    $$(".bad", form).forEach((field) => field.classList.remove("bad"));
    $$("[aria-invalid]", form).forEach((input) => input.removeAttribute("aria-invalid"));
  });

  const answered = ({ detail: { elt, xhr } }) => {
    if (xhr.status >= 400) return;
    if (!isPoll(elt)) return $("#trouble-note")?.remove();
    failures = retryAt = 0;
    answeredAt = Date.now();
    $("#stale-note")?.remove();
  };
  const showNote = (name) => {
    if ($(`#${name}-note`)) return;
    const note = $(`#${name}`).content.firstElementChild.cloneNode(true);
    note.id = `${name}-note`;
    $("main").prepend(note);
  };
  const failed = (event) => {
    if (!isPoll(event.detail.elt)) return showNote("trouble");
    const wait = Math.min(30, 2 ** ++failures);
    retryAt = Date.now() + wait * 1000;
    if (Date.now() - answeredAt < 10000) return;
    showNote("stale");
    $("#stale-note [data-since]").textContent = new Date(answeredAt).toISOString().slice(11, 19) + " UTC";
    $("#stale-note [data-every]").textContent = wait;
  };
  document.addEventListener("htmx:afterOnLoad", answered);
  ["htmx:sendError", "htmx:timeout", "htmx:responseError"].forEach((name) => document.addEventListener(name, failed));
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    answeredAt = Math.max(answeredAt, Date.now() - 5000);  // what was not asked for is not stale yet
    retryAt = 0;
  });

  // ---- the end of the session is said two minutes before, and what was written stays in the page ----
  const warnBefore = (seconds) => seconds && setTimeout(() => showNote("session"), Math.max(0, seconds - 120) * 1000);
  warnBefore(Number(root.dataset.session));
  const stay = async (button) => {
    const text = await fetch(button.dataset.stay).then((answer) => answer.text(), () => "");
    const seconds = Number(text.match(/<html[^>]* data-session="(\d+)"/)?.[1]);
    if (!seconds) {
      $("#session-note h2").textContent = "Your session has ended, or the console does not answer";
      return;
    }
    $("#session-note").remove();
    warnBefore(seconds);
  };

  // ---- what is spoken: only what the server marks, and only when it changes ----
  let said = "";
  const announce = () => {
    const text = $("[data-say]")?.dataset.say;
    if (text && text !== said) $("#announce").textContent = said = text;
  };

  // ---- times: the reader's zone as a second line, and a clock that goes ----
  const zone = root.dataset.zone || Intl.DateTimeFormat().resolvedOptions().timeZone;
  const localTimes = (within) => $$("time[datetime]", within).forEach((time) => {
    const moment = new Date(time.dateTime);
    const local = moment.toLocaleString("en-GB", { timeZone: zone, dateStyle: "medium", timeStyle: "medium" });
    time.title = `${moment.toISOString().slice(0, 19).replace("T", " ")} UTC\n${local} in ${zone.replace("_", " ")}`;
  });
  const clock = $("[data-clock]");
  if (clock) {
    const ahead = new Date(clock.dateTime) - Date.now();
    setInterval(() => {
      clock.textContent = new Date(Date.now() + ahead).toISOString().slice(11, 19) + " UTC";
    }, 1000);
  }

  // ---- log: find, level, follow, wrap ----
  const KEPT_LINES = 500;
  const drawLog = (log) => {
    const card = log.closest("[data-log]");
    const find = ($("[data-log-find]", card)?.value || "").toLowerCase();
    const level = $("[data-level][aria-current]", card)?.dataset.level || "";
    const wrap = $("[data-log-wrap]", card)?.getAttribute("aria-pressed") !== "false";
    const lines = $$("li[id]", log);
    lines.slice(0, -KEPT_LINES).forEach((line) => line.remove());
    lines.slice(-KEPT_LINES).forEach((line) => {
      const shown = (!level || level.split(" ").some((name) => line.classList.contains(name)))
        && (!find || line.textContent.toLowerCase().includes(find));
      line.style.display = shown ? "" : "none";
      line.classList.toggle("nowrap", !wrap);
    });
    if ($("[data-log-follow]", card)?.getAttribute("aria-pressed") === "true") log.scrollTop = log.scrollHeight;
  };
  // Who scrolls up wants to read, not to follow.
  document.addEventListener("scroll", ({ target: log }) => {
    if (!log.matches?.("[data-log] .log") || log.scrollTop + log.clientHeight > log.scrollHeight - 40) return;
    $("[data-log-follow]", log.closest("[data-log]"))?.setAttribute("aria-pressed", "false");
  }, true);
  const toggle = (button) => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", on);
    return on;
  };

  // ---- clicks ----
  // What data-copy names; without a name, the text of the details that the button stands in.
  const copy = async (button) => {
    const label = button.lastChild, text = label.textContent;
    const source = button.dataset.copy ? $(button.dataset.copy) : $("pre", button.closest("details"));
    const done = await navigator.clipboard.writeText(source.innerText)
      .then(() => "Copied", () => "Not allowed here");
    $("#announce").textContent = label.textContent = done;
    setTimeout(() => { label.textContent = text; }, 2000);
  };
  const clicks = {
    "[data-dismiss]": (button) => button.closest("[data-toast]").remove(),
    "[data-copy]": copy,
    "[data-stay]": stay,
    "[data-pause]": (button) => { paused = toggle(button); },
    "[data-log-follow], [data-log-wrap]": (button) => {
      toggle(button);
      drawLog($(".log", button.closest("[data-log]")));
    },
    "[data-level]": (button) => {
      $$("[data-level]", button.parentElement).forEach((other) => other.removeAttribute("aria-current"));
      button.setAttribute("aria-current", "true");
      drawLog($(".log", button.closest("[data-log]")));
    },
  };
  document.addEventListener("click", (event) => {
    for (const [selector, act] of Object.entries(clicks)) {
      const button = event.target.closest(selector);
      if (button) act(button);
    }
    $$("details.dd[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
  });
  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-log-find]")) drawLog($(".log", event.target.closest("[data-log]")));
    if (event.target.matches("[data-typed-name]")) confirmable(event.target);
  });

  // ---- confirm by typing: the button waits for the name; the server checks it again ----
  const confirmable = (field) => {
    $("[type=submit]", field.form).disabled = field.value !== field.dataset.typedName;
  };

  // ---- toasts go after 6 s, not while somebody reads them ----
  const expire = (toast) => {
    const go = () => { if (toast.matches(":hover, :focus-within")) setTimeout(go, 2000); else toast.remove(); };
    setTimeout(go, 6000);
  };

  // ---- keyboard: never in a field, never with a modifier, and to be switched off (WCAG 2.1.4) ----
  const OFF = "shortcuts-off";
  const step = (by) => {
    const links = $$(".table tbody tr").map((row) => $("a", row)).filter(Boolean);
    links.at((links.indexOf(document.activeElement) + by + links.length) % links.length)?.focus();
  };
  const keys = {
    "/": () => $(".main .search .input")?.focus(),
    "?": () => $("#shortcuts")?.togglePopover(),
    j: () => step(1),
    k: () => step(document.activeElement.closest("tbody") ? -1 : 0),
    f: () => $("[data-log-follow]")?.click(),
  };
  let gAt = 0;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") $$("details.dd[open]").forEach((menu) => { menu.open = false; $("summary", menu).focus(); });
    if (localStorage.getItem(OFF) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    const section = Date.now() - gAt < 1500 && $(`.nav a[data-key="${CSS.escape(event.key)}"]`);
    gAt = event.key === "g" ? Date.now() : 0;
    const act = section ? () => section.click() : keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  const shortcutsOn = $("[data-shortcuts-on]");
  if (shortcutsOn) {
    shortcutsOn.checked = !localStorage.getItem(OFF);
    shortcutsOn.addEventListener("change", () => {
      if (shortcutsOn.checked) localStorage.removeItem(OFF); else localStorage.setItem(OFF, "1");
    });
  }

  // ---- new content: the page itself, and every fragment that comes in ----
  const arrive = (within) => {
    localTimes(within);
    announce();
    $$("[data-typed-name]", within).forEach(confirmable);
    $$("[data-toast]", within).forEach(expire);
    $$("[data-log] .log").forEach((log) => drawLog(log));
    $$("[data-focus]", within)[0]?.focus();
  };
  document.addEventListener("htmx:load", ({ detail: { elt } }) => { if (elt !== document.body) arrive(elt); });
  arrive(document);
})();
