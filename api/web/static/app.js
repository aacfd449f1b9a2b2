// What makes the pages more comfortable. All of them work without it.
(function () {
  "use strict";
  var each = function (selector, act) {
    Array.prototype.forEach.call(document.querySelectorAll(selector), act);
  };

  // An answer to a form must not be sent again by reloading or going back.
  if (document.documentElement.hasAttribute("data-posted")) {
    history.replaceState(null, "", location.href);
  }

  // A password can be looked at.
  each("input[type=password][data-show]", function (input) {
    var button = document.createElement("button");
    button.type = "button";
    button.className = "show";
    button.textContent = input.dataset.show;
    button.setAttribute("aria-controls", input.id);
    button.addEventListener("click", function () {
      var shown = input.type === "text";
      input.type = shown ? "password" : "text";
      button.textContent = shown ? input.dataset.show : input.dataset.hide;
      input.focus();
    });
    input.parentNode.insertBefore(button, input.nextSibling);
    input.parentNode.classList.add("with-show");
    input.form.addEventListener("submit", function () { input.type = "password"; });
  });

  // A form is sent once, however often its button is pressed.
  each("form[data-once]", function (form) {
    form.addEventListener("submit", function (event) {
      if (form.dataset.sent) {
        event.preventDefault();
        return;
      }
      form.dataset.sent = "yes";
      // Later: what a button says is sent only while it is enabled.
      setTimeout(function () {
        each("button[type=submit]", function (b) { if (b.form === form) { b.disabled = true; } });
      }, 0);
    });
  });
  window.addEventListener("pageshow", function (event) {
    if (!event.persisted) { return; }
    each("form[data-once]", function (form) { delete form.dataset.sent; });
    each("button[type=submit]", function (b) { b.disabled = false; });
  });

  // A page can be printed.
  each("[data-print]", function (button) {
    button.hidden = false;
    button.addEventListener("click", function () { window.print(); });
  });

  // Fields are filled from the fragment, which no server sees: name:member, …
  each("form[data-fill]", function (form) {
    var members = {};
    location.hash.replace(/^#/, "").split("&").forEach(function (pair) {
      var at = pair.indexOf("=");
      try { if (at > 0) { members[pair.slice(0, at)] = decodeURIComponent(pair.slice(at + 1)); } } catch (e) { /* not ours */ }
    });
    var filled = false;
    form.dataset.fill.split(" ").forEach(function (part) {
      var names = part.split(":"), field = form.elements[names[0]], value = members[names[1]];
      if (field && value && value.length <= 200) { field.value = value; filled = true; }
    });
    if (!filled) { return; }
    history.replaceState(null, "", location.pathname + location.search);
    form.querySelector("button[type=submit]").focus();
  });

  // Under a consent stands what it comes to, as it is ticked.
  each("form[data-consent]", function (form) {
    var say = form.dataset;
    var gap = document.documentElement.lang === "en" ? " " : "";
    var all = function (within, selector) { return Array.prototype.slice.call(within.querySelectorAll(selector)); };
    // append adds a text with names in the place of its mark. Those in Chinese are marked.
    var append = function (p, text, names) {
      var at = text.indexOf("#"), span = document.createElement("span");
      span.textContent = names.map(function (name) { return "“" + name + "”"; }).join(gap && ", ");
      if (gap && /[\u3400-\u9fff]/.test(span.textContent)) { span.lang = "zh-CN"; }
      p.appendChild(document.createTextNode((p.textContent ? gap : "") + text.slice(0, at)));
      p.appendChild(span);
      p.appendChild(document.createTextNode(text.slice(at + 1)));
    };
    var tell = function () {
      var licenses = 0, parts = 0, left = 0, paper = [], open = [];
      all(form, "[data-material]").forEach(function (material) {
        var name = material.querySelector("h2 > .material-name").textContent;
        var chosen = material.querySelector(".option > input:checked");
        if (chosen && chosen.value !== "none") {
          var option = chosen.parentNode;
          licenses += 1;
          parts += all(option, "input[type=hidden][name=part], input[name=part]:checked").length;
          left += all(option, ".sensitive input:not(:checked)").length;
        } else if (!chosen && material.querySelector("[type=radio]")) {
          open.push(name);
        } else if (material.dataset.material === "required") {
          paper.push(name);
        }
      });
      // What must be chosen yet comes first, and alone: it is what holds the person up.
      var text = open.length ? "" : licenses ? say.consent.replace("#1", licenses).replace("#2", parts) : say.none;
      if (left && !open.length) { text += gap + say.sensitive.replace("#", left); }
      each(".leaving", function (p) {
        p.textContent = text;
        if (paper.length && licenses && !open.length) { append(p, say.paper, paper); }
        if (open.length) { append(p, say.open, open); }
      });
    };
    form.addEventListener("change", tell);
    window.addEventListener("pageshow", tell);
    tell();
  });

  // Another code can be asked for after a while.
  each("button[data-wait]", function (button) {
    var left = parseInt(button.dataset.wait, 10) || 0;
    var label = button.textContent;
    var tick = function () {
      if (left <= 0) {
        button.disabled = false;
        button.textContent = label;
        return;
      }
      button.disabled = true;
      button.textContent = button.dataset.waiting.replace("#", left);
      left -= 1;
      setTimeout(tick, 1000);
    };
    tick();
  });

  // A code that a phone reads: the page asks where it is, and goes on by itself.
  each("form[data-poll]", function (form) {
    var say = form.dataset, told = form.querySelector("[data-told]"), done = form.querySelector("#submit");
    var ends = Date.now() + say.left * 1000, again = 2000;
    var asks = function () {
      var r = new XMLHttpRequest();
      r.open("GET", say.poll);
      r.onloadend = function () {
        if (form.dataset.sent) { return; }
        if (r.status !== 200) { again = Math.min(again * 2, 30000); }
        else if (r.responseText === "confirmed" && say.state !== "asked") { done.click(); return; }
        else if (r.responseText !== say.state) { location.replace(location.href); return; }
        else { again = 2000; }
        setTimeout(asks, again);
      };
      r.send();
    };
    var tick = function () {
      told.textContent = say.expires.replace("#", Math.max(0, Math.round((ends - Date.now()) / 1000)));
    };
    setTimeout(asks, say.state === "confirmed" ? 3000 : again); // so that the name is read
    setInterval(tick, 1000);
  });

  // A passkey logs somebody in, or is made. Browsers that know none get no button.
  each("form[data-passkey]", function (form) {
    var say = form.dataset, making = say.passkey === "create";
    var button = form.querySelector("[data-ask]"), told = form.querySelector("[data-told]");
    // No authenticator keeps passkeys of a site that has a number for a name.
    if (!window.PublicKeyCredential || !navigator.credentials || !say.options || /^[\d.]+$|^\[/.test(location.hostname)) { return; }
    var bytes = function (text) {
      var raw = atob(text.replace(/-/g, "+").replace(/_/g, "/")), all = new Uint8Array(raw.length);
      for (var i = 0; i < raw.length; i += 1) { all[i] = raw.charCodeAt(i); }
      return all.buffer;
    };
    var text = function (buffer) {
      var raw = Array.prototype.map.call(new Uint8Array(buffer), function (b) { return String.fromCharCode(b); }).join("");
      return btoa(raw).replace(/\+/g, "-").replace(/\//g, "_").replace(/[=]+$/, "");
    };
    var options = function () {
      var o = JSON.parse(say.options);
      o.challenge = bytes(o.challenge);
      if (o.user) { o.user.id = bytes(o.user.id); }
      (o.allowCredentials || []).concat(o.excludeCredentials || []).forEach(function (c) { c.id = bytes(c.id); });
      return o;
    };
    var send = function (made) {
      var from = made.response, response = { clientDataJSON: text(from.clientDataJSON) };
      if (making) {
        response.attestationObject = text(from.attestationObject);
        response.transports = from.getTransports ? from.getTransports() : [];
      } else {
        response.authenticatorData = text(from.authenticatorData);
        response.signature = text(from.signature);
        if (from.userHandle) { response.userHandle = text(from.userHandle); }
      }
      form.querySelector("[data-answer]").value = JSON.stringify({
        id: made.id, rawId: text(made.rawId), type: made.type, clientExtensionResults: {}, response: response
      });
      HTMLFormElement.prototype.submit.call(form);
    };
    var wrong = function (error) {
      var why = error.name === "InvalidStateError" ? say.twice : error.name === "NotAllowedError" || error.name === "AbortError" ? say.cancelled : say.unsupported;
      told.querySelector("div").textContent = why;
      told.hidden = false;
      button.disabled = false;
    };
    var listed = null; // ends the request whose passkeys the browser lists under a field
    button.addEventListener("click", function () {
      if (form.reportValidity && !form.reportValidity()) { return; }
      if (listed) { listed.abort(); listed = null; }
      told.hidden = true;
      button.disabled = true;
      navigator.credentials[making ? "create" : "get"]({ publicKey: options() }).then(send).catch(wrong);
    });
    window.addEventListener("pageshow", function () { button.disabled = false; });
    var without = form.querySelector("[data-without]");
    if (without) { without.hidden = true; }
    form.hidden = button.hidden = false;
    // What was just refused isn't offered again by itself.
    if (!say.listed || !window.AbortController || !PublicKeyCredential.isConditionalMediationAvailable) { return; }
    PublicKeyCredential.isConditionalMediationAvailable().then(function (can) {
      if (!can || button.disabled) { return; }
      listed = new AbortController();
      // The person didn't ask for it: what goes wrong, or is ended, is no news.
      navigator.credentials.get({ publicKey: options(), mediation: "conditional", signal: listed.signal }).then(send).catch(function () {});
      setTimeout(function () { if (listed) { listed.abort(); } }, 280000); // later the answer is refused
    }).catch(function () {});
  });

  // A department's own bridge to key software, such as an extension of the browser, fills in certificate
  // and signature: docs/integrating.md says how they talk. Whatever they say, a person presses the button.
  each("form[data-certificate]", function (form) {
    var text = form.querySelector("#challenge"), given = "yizheng.certificate.";
    var ask = function () {
      window.postMessage({
        type: given + "challenge", version: 1, use: form.dataset.certificate, challenge: text.value, algorithm: "SM2-SM3", user_id: "1234567812345678"
      }, location.origin);
    };
    text.addEventListener("focus", function () { text.select(); });
    window.addEventListener("message", function (event) {
      var said = event.data;
      if (event.source !== window || event.origin !== location.origin || !said || said.version !== 1) { return; }
      if (said.type === given + "ask") { ask(); return; }
      if (said.type !== given + "answer" || said.challenge !== text.value) { return; }
      ["certificate", "signature"].forEach(function (name) {
        if (typeof said[name] === "string" && said[name].length <= form.elements[name].maxLength) { form.elements[name].value = said[name]; }
      });
      form.querySelector("#submit").focus();
    });
    ask();
  });

  // A setup code comes in the fragment, which no server sees.
  each("form[data-ticket]", function (form) {
    var found = /^#(?:ticket=)?([A-Za-z0-9._-]{8,200})$/.exec(location.hash);
    if (!found) { return; }
    form.elements.ticket.value = found[1];
    history.replaceState(null, "", location.pathname + location.search);
    form.elements.password.focus();
  });
})();
