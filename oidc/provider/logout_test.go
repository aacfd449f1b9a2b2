package provider

import (
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
)

func TestLogout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		tokens := b.tokens(t, w.bureau)
		offline := b.tokens(t, w.bureau, "scope", "openid offline_access", "prompt", "consent")
		hint := tokens.ID.Reveal()
		time.Sleep(15 * time.Minute) // the hint expired
		view, err := w.Logouts.Take(t.Context(), oidc.Parameters{"id_token_hint": hint, "post_logout_redirect_uri": "https://bureau.example/bye", "state": "s 2", "ui_locales": "zh-CN en"}, b.Browser)
		if err != nil || view.Session == nil || view.Client.ID != w.bureau.ID || view.Response.RedirectURI != "https://bureau.example/bye?state=s+2" || len(view.UILocales) != 2 {
			t.Fatalf("%+v, %v", view, err)
		}
		if !b.live(t) {
			t.Fatal("the session ended before anybody said so")
		}
		for range 2 {
			if err := w.LogOut(t.Context(), b.Browser); err != nil || b.live(t) {
				t.Fatalf("after the logout: %v", err)
			}
		}
		if _, err := w.Redeem(t.Context(), w.bureau, refreshing(tokens.Refresh.Reveal())); err == nil {
			t.Error("a family outlived its session")
		}
		if _, err := w.Redeem(t.Context(), w.bureau, refreshing(offline.Refresh.Reveal())); err != nil {
			t.Errorf("offline access ended with the session: %v", err)
		}
		if view, err = w.Logouts.Take(t.Context(), oidc.Parameters{}, b.Browser); err != nil || view.Session != nil || view.Client != nil || view.Response != nil {
			t.Errorf("nobody logs out: %+v, %v", view, err)
		}
	})
}

func TestLogoutRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		tokens := b.tokens(t, w.bureau)
		for _, test := range []struct {
			name   string
			params oidc.Parameters
			reason string
			text   string
		}{
			{"a URI without a client", oidc.Parameters{"post_logout_redirect_uri": "https://bureau.example/bye"}, "client_missing", ""},
			{"another URI", oidc.Parameters{"client_id": w.bureau.ID, "post_logout_redirect_uri": "https://evil.example/bye"}, "redirect_uri_unregistered", "the host differs"},
			{"the login's URI", oidc.Parameters{"client_id": w.bureau.ID, "post_logout_redirect_uri": "https://bureau.example/cb"}, "redirect_uri_unregistered", "the path differs"},
			{"a line break", oidc.Parameters{"client_id": w.bureau.ID, "post_logout_redirect_uri": "https://bureau.example/bye\r\n"}, "redirect_uri_invalid", ""},
			{"an unknown client", oidc.Parameters{"client_id": identity.NewID()}, "client_unknown", ""},
			{"another client's hint", oidc.Parameters{"client_id": w.shop.ID, "id_token_hint": tokens.ID.Reveal()}, "hint_audience", ""},
			{"an access token", oidc.Parameters{"id_token_hint": tokens.Access.Reveal()}, "hint_invalid", ""},
			{"a bad state", oidc.Parameters{"client_id": w.bureau.ID, "post_logout_redirect_uri": "https://bureau.example/bye", "state": "\n"}, "state_invalid", ""},
		} {
			view, err := w.Logouts.Take(t.Context(), test.params, b.Browser)
			if err != nil || view.Refused == nil || view.Session == nil || view.Response != nil {
				t.Errorf("%s: %+v, %v", test.name, view, err)
				continue
			}
			if e := view.Refused; e.Response != nil || string(e.Refusal.Reason) != test.reason || e.Differs != test.text {
				t.Errorf("%s: %v, differs %q", test.name, e, e.Differs)
			}
		}
		if !b.live(t) {
			t.Error("a refused logout ended the session")
		}
	})
}
