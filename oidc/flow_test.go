package oidc

import (
	"testing"
	"testing/synctest"
)

func TestFirstLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		step := b.authorize(t, w.bureau)
		if step.Kind != StepLogin {
			t.Fatalf("%+v", step)
		}
		step = b.logIn(t, step.Handle, w.zhang)
		tokens := w.redeem(t, w.bureau, code(t, step))
		t.Log(part(t, tokens.ID.Reveal(), 1), part(t, tokens.Access.Reveal(), 1), tokens.Refresh.Reveal())
		a, err := w.CheckAccessToken(t.Context(), tokens.Access.Reveal())
		t.Log(a, err)
		t.Log(w.results())
	})
}
