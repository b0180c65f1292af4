// What the page says, in the language that was chosen. Not when it says it.
var TALK = (function () {
  "use strict";

  var LANGUAGES = ["en", "fr", "rw", "sw"];
  var CHOSEN = "language";
  var language = first();

  // What was chosen here before, or what the browser asks for.
  function first() {
    var wanted = [kept()].concat(navigator.languages || [navigator.language || ""]);
    var known = wanted.map(function (tag) { return String(tag).slice(0, 2).toLowerCase(); });
    return known.filter(function (tag) { return LANGUAGES.indexOf(tag) >= 0; })[0] || "en";
  }

  function kept() {
    try { return localStorage.getItem(CHOSEN); } catch (_) { return null; }
  }

  function choose(chosen) {
    language = chosen;
    try { localStorage.setItem(CHOSEN, chosen); } catch (_) { /* a private window forgets */ }
  }

  function fill(text, values) {
    return text.replace(/\{(\w+)\}/g, function (_, name) { return values[name]; });
  }

  function word(name, values) { return fill(WORDS[language][name], values || {}); }

  // A code that is newer than this page gets the words for any problem.
  function problem(code) {
    return WORDS[language].problems[code] || WORDS[language].problems.unknown;
  }

  function delivery(state, channel) {
    return fill(WORDS[language].delivery[state] || "", { channel: channel === "sms" ? "SMS" : "WhatsApp" });
  }

  // "4:05", or "3 h 20 min"
  function duration(ms) {
    var seconds = Math.max(0, Math.ceil(ms / 1000)), minutes = Math.ceil(seconds / 60);
    if (seconds >= 3600) { return Math.floor(minutes / 60) + " h " + minutes % 60 + " min"; }
    return Math.floor(seconds / 60) + ":" + ("0" + seconds % 60).slice(-2);
  }

  function date(seconds) {
    var day = new Date(seconds * 1000);
    try { return day.toLocaleDateString(language); } catch (_) { return day.toLocaleDateString(); }
  }

  // Our own names for the countries nearby, the browser's for the others, English where it has none.
  function countryNames() {
    var theirs = null;
    try { theirs = new Intl.DisplayNames([language], { type: "region", fallback: "none" }); } catch (_) { /* an older browser */ }
    return function (country) {
      try { return WORDS[language][country.id] || theirs.of(country.id) || country.name; } catch (_) { return country.name; }
    };
  }

  return {
    language: function () { return language; },
    choose: choose, word: word, problem: problem, delivery: delivery, duration: duration, date: date,
    countryNames: countryNames
  };
}());
