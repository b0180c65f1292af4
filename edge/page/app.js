// The fan's page: a number, a code, signed in. What it shows follows from a few variables; `render` writes all of it, in any language, as
// often as anything changes. Written for browsers of 2015 (ES5): the build translates nothing.
//
// Kept over a reload, in the tab alone: the challenge and the key of an unanswered request. Never the code, never the session id.
(function () {
  "use strict";

  var SAVED = "sign-in";
  // Seconds between two looks at the message's delivery; the last one goes on.
  var LOOKS_S = [3, 5, 8, 13, 20, 30];
  // Refusals after which this challenge is of no more use.
  var OVER = ["challenge_unknown", "challenge_locked", "session_not_authorised", "unauthorized"];
  // Refusals that are about what was typed.
  var ABOUT_NUMBER = ["invalid_phone", "unsupported_country", "undeliverable"];

  var view = "number";
  var busy = "";        // the button whose press is being answered
  var problem = null;   // {code or word, until: ms, or 0, field}
  var note = "";        // the word of a message that is no problem
  var challenge = null; // {id, phone, channel, delivery, attempts, validUntil: ms, resendAt: ms}
  var pressed = {};     // by path: {body, key} of a press whose answer was lost
  var waits = {};       // by button: ms until which it does nothing
  var consents = {};    // by language: {text, version, locale}
  var consentFailed = false;
  var session = null;   // {phone, kind, expiresAtS}
  var looks = 0, look = 0;

  function at(id) { return document.getElementById(id); }
  function now() { return Date.now(); }
  function left(until) { return TALK.duration(until - now()); }
  function word(name, values) { return TALK.word(name, values); }
  function each(nodes, act) { Array.prototype.forEach.call(nodes, act); }

  // --- what is shown

  // Only what differs is written: a live region is read out again whenever it is touched.
  function set(id, text) {
    var node = at(id);
    if (node.textContent !== text) { node.textContent = text; }
  }

  function button(id, text, until) {
    set(id, text);
    at(id).setAttribute("aria-disabled", String(busy !== "" || (until || 0) > now()));
  }

  function render() {
    var titles = { number: "title", code: "codeTitle", done: "doneTitle" };
    document.documentElement.lang = TALK.language();
    document.title = word(titles[view]);
    set("title", document.title);
    each(document.querySelectorAll("[data-word]"), function (node) {
      var text = word(node.getAttribute("data-word"));
      if (node.textContent !== text) { node.textContent = text; }
    });
    each(["number", "code", "done"], function (name) { at(name + "-view").hidden = name !== view; });
    renderMessages();
    renderNumber();
    if (challenge) { renderCode(); }
    if (session) { renderDone(); }
  }

  function renderMessages() {
    var until = problem && problem.until;
    set("note", note ? word(note) : "");
    set("problem", problem ? (problem.word ? word(problem.word) : TALK.problem(problem.code)) : "");
    set("retry", until ? (until > now() ? word("retryIn", { wait: left(until) }) : word("retryNow")) : "");
    at("retry").hidden = !until;
    invalid("number", "example");
    invalid("code", "attempts");
  }

  function invalid(field, hint) {
    var wrong = Boolean(problem && problem.field === field);
    at(field).setAttribute("aria-invalid", String(wrong));
    at(field).setAttribute("aria-describedby", wrong ? "problem " + hint : hint);
  }

  function renderNumber() {
    var consent = consents[TALK.language()], country = PHONE.find(at("country").value);
    set("calling", country ? "+" + country.code : "");
    set("consent", consent ? consent.text : consentFailed ? word("consentAbsent") : "…");
    at("consent").lang = consent ? consent.locale : TALK.language();
    button("send", word(busy === "send" ? "sending" : "send"), waits.send);
  }

  function renderCode() {
    var cooling = challenge.resendAt > now();
    set("sent-to", word("sentTo", { phone: PHONE.show(challenge.phone) }));
    set("delivery", TALK.delivery(challenge.delivery, challenge.channel));
    set("attempts", word("attempts", { n: challenge.attempts }));
    set("valid", word("valid", { wait: left(challenge.validUntil) }));
    button("verify", word(busy === "verify" ? "verifying" : "verify"), waits.verify);
    button("resend", cooling ? word("resendIn", { wait: left(challenge.resendAt) }) : word(busy === "resend" ? "sending" : "resend"), challenge.resendAt);
    button("change", word("change"));
  }

  function renderDone() {
    set("who", session.phone ? word("doneNumber", { phone: PHONE.show(session.phone) }) : session.kind === "manual" ? word("doneManual") : "");
    set("until", session.expiresAtS ? word("doneUntil", { date: TALK.date(session.expiresAtS) }) : "");
    button("sign-out", word("signOut"));
  }

  function show(name, focus) {
    view = name;
    render();
    at(focus).focus();
  }

  // --- what is kept over a reload

  function save() {
    try { sessionStorage.setItem(SAVED, JSON.stringify({ challenge: challenge, request: pressed["/otp/request"] })); } catch (_) { /* private mode */ }
  }

  function restore() {
    var saved = null;
    try { saved = JSON.parse(sessionStorage.getItem(SAVED)); } catch (_) { /* nothing to go on with */ }
    if (!saved) { return; }
    if (saved.request) { pressed["/otp/request"] = saved.request; }
    if (saved.challenge && saved.challenge.validUntil > now()) {
      challenge = saved.challenge;
      view = "code";
    }
  }

  function forget() {
    challenge = null;
    at("code").value = "";
    save();
  }

  // --- presses

  // One press of `name`: the same key until its answer is known, also when the fan has to press again.
  function press(name, path, body, done) {
    var text = JSON.stringify(body);
    if (!pressed[path] || pressed[path].body !== text) { pressed[path] = { body: text, key: NET.key() }; }
    begin(name);
    NET.post(path, text, pressed[path].key, repeating, function (given) {
      if (!given.ok && !NET.undecided(given)) { delete pressed[path]; }
      end();
      done(given);
      save();
      render();
    });
    save();
  }

  function begin(name) {
    busy = name;
    problem = null;
    note = "";
    render();
  }

  function end() { busy = note = ""; }

  function repeating() {
    note = "repeating";
    render();
  }

  function still(id) { return busy !== "" || at(id).getAttribute("aria-disabled") === "true"; }

  function refused(given, name) {
    var until = given.waitS ? now() + given.waitS * 1000 : 0;
    if (OVER.indexOf(given.code) >= 0) { return startAgain({ code: given.code, until: 0 }); }
    problem = { code: given.code, until: until };
    if (name === "resend") { challenge.resendAt = Math.max(challenge.resendAt, until); } else { waits[name] = until; }
    if (given.code === "consent_stale") { return readConsentAgain(); }
    if (given.code === "code_incorrect") { return wrongCode(given.body.attemptsLeft); }
    if (ABOUT_NUMBER.indexOf(given.code) >= 0 && view === "number") { return wrong("number", { code: given.code }); }
    render();
    at("title").scrollIntoView();
  }

  function wrong(field, told) {
    problem = { code: told.code, word: told.word, until: 0, field: field };
    render();
    at(field).focus();
    at(field).select();
  }

  function wrongCode(left) {
    if (left === 0) { return startAgain({ code: "challenge_locked", until: 0 }); }
    if (left) { challenge.attempts = left; }
    wrong("code", { code: "code_incorrect" });
  }

  function startAgain(told) {
    if (challenge) { at("number").value = PHONE.rest(challenge.phone); }
    forget();
    problem = told;
    show("number", "number");
  }

  // --- the number

  function ask(event) {
    event.preventDefault();
    if (still("send")) { return; }
    var number = PHONE.read(at("number").value, at("country").value), consent = consents[TALK.language()];
    if (!number.e164) { return wrong("number", { code: "invalid_phone" }); }
    if (!consent) { return consentBeforeAsking(); }
    var body = { phone: number.e164, locale: TALK.language(), purpose: "login", consentVersion: consent.version };
    press("send", "/otp/request", body, function (given) {
      if (!given.ok) { return refused(given, "send"); }
      at("code").value = "";
      waits = {};
      accepted(given.body, number.e164);
      show("code", "code");
    });
  }

  function resend() {
    if (still("resend")) { return; }
    var phone = challenge.phone;
    press("resend", "/otp/request", { phone: phone, locale: TALK.language(), challengeId: challenge.id }, function (given) {
      if (!given.ok) { return refused(given, "resend"); }
      note = "resent";
      accepted(given.body, phone);
    });
  }

  function accepted(body, phone) {
    delete pressed["/otp/request"];
    challenge = {
      id: body.challengeId, phone: phone, channel: body.channel, delivery: body.delivery, attempts: body.attemptsLeft,
      validUntil: now() + body.expiresInS * 1000, resendAt: now() + body.resendInS * 1000
    };
    looks = 0;
    lookLater();
  }

  function typing() {
    var number = PHONE.read(at("number").value, at("country").value);
    if (PHONE.international(at("number").value)) { at("country").value = number.country; }
    otherNumber();
  }

  // Written with its calling code, which stands beside the field already.
  function typed() {
    var text = at("number").value, number = PHONE.read(text, at("country").value);
    if (number.e164 && PHONE.international(text)) { at("number").value = PHONE.rest(number.e164); }
  }

  // A wait was about the number that stood there.
  function otherNumber() {
    waits.send = 0;
    problem = null;
    render();
  }

  function change() {
    if (still("change")) { return; }
    problem = null;
    note = "";
    startAgain(null);
  }

  // --- the consent text

  function loadConsent(done) {
    var wanted = TALK.language();
    NET.call("GET", "/otp/consent?locale=" + wanted, {}, function (given) {
      consentFailed = !given.ok;
      if (given.ok) { consents[wanted] = given.body; }
      if (done) { done(given); }
      render();
    });
  }

  function consentBeforeAsking() {
    begin("send");
    loadConsent(function (given) {
      end();
      if (!given.ok) { return refused(given, "send"); }
      note = "consentFirst";
      show("number", "consent");
    });
  }

  function readConsentAgain() {
    consents = {};
    loadConsent(function () { show("number", "consent"); });
  }

  // --- the code

  function verify(event) {
    event.preventDefault();
    if (still("verify")) { return; }
    var code = at("code").value.replace(/\D/g, "");
    if (code.length !== 6) { return wrong("code", { word: "codeForm" }); }
    press("verify", "/otp/verify", { challengeId: challenge.id, phone: challenge.phone, code: code }, function (given) {
      if (given.ok) { redeem(given.body.sessionId); } else { refused(given, "verify"); }
    });
  }

  // Until this is answered, another press of the same code gets the same session id.
  function redeem(sessionId) {
    begin("verify");
    NET.post("/auth/fan/from-onboarding", JSON.stringify({ sessionId: sessionId }), "", repeating, function (given) {
      end();
      if (!given.ok) { return refused(given, "verify"); }
      pressed = {};
      session = { phone: challenge.phone };
      forget();
      who();
      show("done", "title");
    });
  }

  function lookLater() {
    clearTimeout(look);
    look = setTimeout(lookNow, 1000 * LOOKS_S[Math.min(looks, LOOKS_S.length - 1)]);
    looks += 1;
  }

  // Gently: not in a hidden tab, and no more once the message has arrived or failed. Only the newest challenge's answer counts.
  function lookNow() {
    if (!challenge || ["delivered", "failed"].indexOf(challenge.delivery) >= 0) { return; }
    if (document.hidden) { return lookLater(); }
    var id = challenge.id;
    NET.call("GET", "/otp/request/" + encodeURIComponent(id), {}, function (given) {
      if (!challenge || challenge.id !== id) { return; }
      if (given.ok) {
        challenge.delivery = given.body.delivery;
        challenge.channel = given.body.channel;
        save();
        render();
      }
      lookLater();
    });
  }

  // --- signed in

  function who() {
    NET.call("GET", "/auth/fan/session", {}, function (given) {
      if (!given.ok) { return; }
      session = given.body;
      forget();
      if (view === "done") { render(); } else { show("done", "title"); }
    });
  }

  function signOut() {
    if (still("sign-out")) { return; }
    begin("sign-out");
    NET.call("DELETE", "/auth/fan/session", {}, function (given) {
      end();
      if (!given.ok && given.status !== 401) { return refused(given, "sign-out"); }
      session = null;
      note = "signedOut";
      show("number", "title");
    });
  }

  // --- beginning

  function speak() {
    TALK.choose(at("language").value);
    CHOICE.fill(at("country"));
    if (!consents[TALK.language()]) { loadConsent(); }
    render();
  }

  function tick() {
    if (view === "code" && !busy && challenge.validUntil <= now()) { startAgain({ word: "expired", until: 0 }); }
    render();
  }

  function start() {
    restore();
    at("language").value = TALK.language();
    at("language").onchange = speak;
    at("country").onchange = otherNumber;
    at("number").oninput = typing;
    at("number").onchange = typed;
    at("number-view").onsubmit = ask;
    at("code-view").onsubmit = verify;
    at("resend").onclick = resend;
    at("change").onclick = change;
    at("sign-out").onclick = signOut;
    CHOICE.fill(at("country"));
    render();
    at("stuck").hidden = true;
    at("languages").hidden = false;
    loadConsent();
    who();
    if (challenge) { lookLater(); }
    setInterval(tick, 1000);
  }

  start();
}());
