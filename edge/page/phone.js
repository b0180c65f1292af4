// A phone number as people type it, to the international form that the service takes. Not a validator: whether the number exists is the
// service's to say.
var PHONE = (function () {
  "use strict";

  // Where a calling code is shared, the country that is meant when nobody said which.
  var FIRST = ["US", "RU", "GB", "IT", "NO", "AU", "MA", "RE", "FI", "GP", "CW"];
  // A zero before the number belongs to it there; elsewhere it is only dialled inside the country.
  var KEEPS_ZERO = ["39", "225", "242", "378"];

  var list = COUNTRIES.map(function (row) {
    var parts = /^([A-Z]{2})(\d+) (.*)$/.exec(row);
    return { id: parts[1], code: parts[2], name: parts[3] };
  });

  function find(id) {
    return list.filter(function (country) { return country.id === id; })[0];
  }

  // Calling codes don't begin one another, so at most one fits.
  function ofDigits(digits, chosen) {
    var fits = list.filter(function (country) { return digits.indexOf(country.code) === 0; });
    var known = fits.filter(function (country) { return country.id === chosen; });
    var first = fits.filter(function (country) { return FIRST.indexOf(country.id) >= 0; });
    return known[0] || first[0] || fits[0];
  }

  // What is dialled inside the country only: a zero mostly, 8 in Russia and Kazakhstan, 1 in North America, 06 in Hungary.
  function withoutTrunk(digits, code) {
    if (code === "7" || code === "1") {
      return digits.length === 11 && digits.charAt(0) === (code === "7" ? "8" : "1") ? digits.slice(1) : digits;
    }
    if (KEEPS_ZERO.indexOf(code) >= 0) { return digits; }
    return digits.replace(code === "36" ? /^06/ : /^0/, "");
  }

  // Somebody wrote the calling code without a plus: recognised where the rest alone would be too long for a number inside a country.
  function saysCode(digits, code) {
    return code.length === 3 && digits.length >= 11 && digits.indexOf(code) === 0;
  }

  // The digits after a plus or 00; nothing when the number is written as inside its country.
  function international(text) {
    var plain = text.replace(/[^\d+]/g, "");
    return /^(\+|00)/.test(plain) ? plain.replace(/^(\++|00)0*/, "") : "";
  }

  // {country, e164}; without e164 while it cannot be a number yet.
  function read(text, chosen) {
    var digits = international(text);
    var country = digits ? ofDigits(digits, chosen) : find(chosen);
    if (!country) { return { country: chosen }; }
    if (!digits) {
      var local = text.replace(/\D/g, "");
      digits = saysCode(local, country.code) ? local : country.code + withoutTrunk(local, country.code);
    }
    // "+250 (0)788 …": the zero in brackets is said and not dialled.
    var rest = withoutTrunk(digits.slice(country.code.length), country.code);
    var whole = country.code + rest;
    return { country: country.id, e164: /[^\d+\s().\/\-\u00a0\u2000-\u206f]/.test(text) || !/^\d{8,15}$/.test(whole) ? "" : "+" + whole };
  }

  // "788 123 456", as it is written beside the calling code.
  function rest(e164) {
    var country = ofDigits(e164.slice(1)) || { code: "" };
    return e164.slice(1 + country.code.length).replace(/(\d{3})(?=\d{2})/g, "$1 ");
  }

  // "+250 788 123 456", kept on one line.
  function show(e164) {
    var country = ofDigits(e164.slice(1)) || { code: "" };
    return "+" + country.code + "\u00a0" + rest(e164).replace(/ /g, "\u00a0");
  }

  return { list: list, find: find, international: international, read: read, rest: rest, show: show };
}());
