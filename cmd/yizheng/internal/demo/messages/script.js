// Every second the page asks itself again, and shows what is new.
setInterval(function () {
  fetch('/', { headers: { Accept: 'text/html' } })
    .then(function (r) { return r.text() })
    .then(function (text) {
      var fresh = new DOMParser().parseFromString(text, 'text/html').getElementById('messages')
      var old = document.getElementById('messages')
      if (fresh && fresh.innerHTML !== old.innerHTML) old.innerHTML = fresh.innerHTML
    })
    .catch(function () { /* the demo has ended */ })
}, 1000)
