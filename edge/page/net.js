// Calls of the service: one press, one Idempotency-Key, however often a lost answer is asked for again. Not what an answer means.
var NET = (function () {
  "use strict";

  // The edge waits 10 s for the origin; an answer that takes longer than this is lost.
  var TIME_LIMIT_MS = 15000;
  // When a press whose answer was lost, or is still being made, is repeated.
  var AGAIN_MS = [1000, 2000, 4000];

  // 128 random bits. Browsers without a source of them get by with chance: the key tells one person's presses apart, and guards nothing.
  function key() {
    var bytes = [], source = window.crypto || window.msCrypto, i;
    if (source && window.Uint8Array) { bytes = source.getRandomValues(new Uint8Array(16)); }
    var text = "";
    for (i = 0; i < 16; i += 1) {
      text += ("0" + (bytes.length ? bytes[i] : Math.floor(Math.random() * 256)).toString(16)).slice(-2);
    }
    return text;
  }

  function parsed(text) {
    try { return JSON.parse(text) || {}; } catch (_) { return {}; }
  }

  // A proxy's own page has no code.
  function codeOf(status, body) {
    if (status === 0) { return "offline"; }
    if (body.code) { return body.code; }
    if (status === 429) { return "burst"; }
    return status >= 500 ? "origin_unavailable" : "unknown";
  }

  function answer(request) {
    var status = request.status, body = parsed(request.responseText);
    if (status >= 200 && status < 300) { return { ok: true, status: status, body: body }; }
    var header = status ? parseInt(request.getResponseHeader("Retry-After"), 10) : 0;
    return { ok: false, status: status, body: body, code: codeOf(status, body), waitS: body.retryAfterS || header || 0 };
  }

  // One call. done({ok, status, body, code, waitS}), once.
  function call(method, path, options, done) {
    var request = new XMLHttpRequest(), ended = false;
    function end() {
      if (!ended) { ended = true; done(answer(request)); }
    }
    request.open(method, path);
    request.timeout = TIME_LIMIT_MS;
    request.onload = request.onerror = request.ontimeout = request.onabort = end;
    request.setRequestHeader("Accept", "application/json");
    if (options.key) { request.setRequestHeader("Idempotency-Key", options.key); }
    if (options.body) { request.setRequestHeader("Content-Type", "application/json"); }
    request.send(options.body || null);
  }

  // The same press again may still get its answer: it was lost on the way, there or back, or it is not ready.
  function undecided(given) {
    return given.status === 0 || given.status >= 500 || given.code === "in_progress";
  }

  // A POST that may be repeated without doing its work twice. `again` hears of each repeat.
  function post(path, body, pressKey, again, done) {
    var tries = 0;
    function attempt() {
      call("POST", path, { body: body, key: pressKey }, function (given) {
        var silent = given.status === 0 || given.code === "in_progress";
        if (!silent || tries >= AGAIN_MS.length || navigator.onLine === false) { return done(given); }
        again();
        setTimeout(attempt, AGAIN_MS[tries]);
        tries += 1;
      });
    }
    attempt();
  }

  return { key: key, post: post, undecided: undecided, call: call };
}());
