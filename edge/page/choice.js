// The list of countries: Rwanda, its neighbours, then all by name.
var CHOICE = (function () {
  "use strict";

  var NEAR = ["RW", "BI", "CD", "KE", "TZ", "UG"];

  function option(country) {
    var node = document.createElement("option");
    node.value = country.id;
    node.textContent = country.shown + " (+" + country.code + ")";
    return node;
  }

  function group(label, countries) {
    var node = document.createElement("optgroup");
    node.label = label;
    countries.forEach(function (country) { node.appendChild(option(country)); });
    return node;
  }

  // Fills `select` in the language that is spoken, and keeps what is chosen.
  function fill(select) {
    var chosen = select.value || NEAR[0], nameOf = TALK.countryNames();
    var all = PHONE.list.map(function (country) {
      return { id: country.id, code: country.code, shown: nameOf(country) };
    });
    var near = NEAR.map(function (id) {
      return all.filter(function (country) { return country.id === id; })[0];
    });
    var far = all.filter(function (country) { return near.indexOf(country) < 0; });
    far.sort(function (a, b) { return a.shown.localeCompare(b.shown, TALK.language()); });
    select.textContent = "";
    select.appendChild(group(TALK.word("near"), near));
    select.appendChild(group(TALK.word("all"), far));
    select.value = chosen;
  }

  return { fill: fill };
}());
