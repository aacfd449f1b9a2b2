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

  // A setup code comes in the fragment, which no server sees.
  each("form[data-ticket]", function (form) {
    var found = /^#(?:ticket=)?([A-Za-z0-9._-]{8,200})$/.exec(location.hash);
    if (!found) { return; }
    form.elements.ticket.value = found[1];
    history.replaceState(null, "", location.pathname + location.search);
    form.elements.password.focus();
  });
})();
