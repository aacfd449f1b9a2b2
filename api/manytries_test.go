package api

import (
	"slices"
	"testing"
)

// TestManyTries guesses at somebody's password on the pages: neither the guesser
// learns that a guess is right, nor is the owner kept out, on a device that the
// account knows or on a new one.
func TestManyTries(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	who := s.citizen(t, "zhang", sampleName, sampleCitizen, 2)
	known := s.browser(t)
	s.app.code(known, who, s.app.request())

	guesser := s.app.open(s.browser(t), s.app.request())
	for range 5 {
		guesser = guesser.Press("submit", "username", who.Login, "password", "a guess")
		if guesser.Status != 403 || !guesser.Has("problem") {
			t.Fatalf("a guess: %d %s", guesser.Status, guesser.Body)
		}
	}
	guesser = guesser.Press("submit", "username", who.Login, "password", who.Password)
	if guesser.Status != 200 || !guesser.Has("code") || guesser.Has("problem") {
		t.Fatalf("the right guess: %d %s", guesser.Status, guesser.Body)
	}
	wrong := guesser.Press("submit", "code", "000000")
	if !wrong.Has("code") || !wrong.Has("problem") || wrong.To != nil {
		t.Errorf("a code made up: %d %s", wrong.Status, wrong.Body)
	}

	// The owner has the phone, and is known by two factors then.
	p := guesser.Press("submit", "code", who.Code())
	if p.Has("approve") {
		p = p.Press("approve")
	}
	id := claimsOf(t, s.app.redeem(t, s.app.answerOf(t, p).Get("code")).tokens(t).IDToken)
	amr, _ := id["amr"].([]any)
	if id["acr"] != "urn:yizheng:assurance:2" || !slices.Contains(amr, any("sms")) || !slices.Contains(amr, any("pwd")) {
		t.Errorf("the ID token says %v", id)
	}
	s.app.code(known, who, s.app.request("prompt", "login"))

	// So has whoever got a setup link at a counter, without any phone.
	a, err := s.people.FindAccount(t.Context(), who.Login)
	mustOf(t)(err)
	ticket, err := s.people.Tickets.SetupTicket(t.Context(), "cli", a.ID)
	mustOf(t)(err)
	setUp := s.browser(t)
	who.Password = "样例 another horse 28"
	if p := setUp.Get(s.url+setupPath).Press("submit", "ticket", ticket, "password", who.Password, "repeat", who.Password); p.Status != 200 {
		t.Fatalf("set up: %d %s", p.Status, p.Body)
	}
	s.app.code(setUp, who, s.app.request())
	if n := len(s.phone.codes); n != 1 {
		t.Errorf("%d codes were sent: a known device needs none, and a wrong guess sends none", n)
	}
}
