package upstream_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/upstream"
)

// A provider that is slow, or gone, is asked in moderation, and holds nobody up.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		slow := &sleeper{op: w.op, takes: time.Minute}
		all, err := upstream.ReadProviders([]byte(config), files())
		if err != nil {
			t.Fatal(err)
		}
		s := w.service(t, all, func(*upstream.Provider) (upstream.Outside, error) { return slow, nil })
		began := time.Now()
		var wait sync.WaitGroup
		for range 40 {
			wait.Go(func() {
				_, err := s.Begin(t.Context(), start())
				identitytest.IsReason(t, "beginning", err, string(upstream.ReasonAway))
			})
		}
		wait.Wait()
		if took := time.Since(began); took > upstream.Patience || slow.count() != 1 {
			t.Errorf("40 people waited %s, it was asked %d times", took, slow.count())
		}
		time.Sleep(6 * time.Second)
		slow.takes = 0
		if _, err := s.Begin(t.Context(), start()); err != nil {
			t.Errorf("when it answers again: %v", err)
		}
		slow.takes = time.Minute
		time.Sleep(2 * time.Hour) // what it said is believed for a day, if it doesn't say it again
		if _, err := s.Begin(t.Context(), start()); err != nil {
			t.Errorf("when it is gone again: %v", err)
		}
		time.Sleep(23 * time.Hour)
		_, err = s.Begin(t.Context(), start())
		identitytest.IsReason(t, "a day later", err, string(upstream.ReasonAway))
	})
}

// Keys that were changed are read again, but not for every token that names another.
func TestKeysChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.Zhang(t)
		if _, err := w.login(t); err != nil {
			t.Fatal(err)
		}
		another := newOP(t)
		w.op.key, w.op.kid = another.key, "k2"
		time.Sleep(time.Minute)
		if _, err := w.login(t); err != nil || w.op.count("/keys") != 2 {
			t.Errorf("after a change of keys: %v, read %d times", err, w.op.count("/keys"))
		}
		w.op.header["kid"] = "k3"
		for range 10 {
			_, err := w.login(t)
			identitytest.IsReason(t, "an unknown key", err, string(upstream.ReasonWrong))
		}
		if n := w.op.count("/keys"); n > 3 {
			t.Errorf("keys were read %d times", n)
		}
	})
}

// A provider whose keys can't be read rests, and those of up to a day ago are good.
func TestKeysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.Zhang(t)
		away := func(q upstream.Question) error {
			if strings.HasSuffix(q.URL, "/keys") {
				return errors.New("no route")
			}
			return nil
		}
		w.op.fails = away
		for range 3 {
			_, err := w.login(t)
			identitytest.IsReason(t, "without keys", err, string(upstream.ReasonAway))
		}
		if n := w.op.count("/keys"); n != 1 {
			t.Errorf("within five seconds keys were asked for %d times", n)
		}
		time.Sleep(5 * time.Second)
		w.op.fails = nil
		if _, err := w.login(t); err != nil {
			t.Errorf("after the rest: %v", err)
		}
		w.op.fails = away
		for _, hours := range []time.Duration{2, 21} {
			time.Sleep(hours * time.Hour)
			if _, err := w.login(t); err != nil {
				t.Errorf("%d hours later: %v", hours, err)
			}
		}
		time.Sleep(2 * time.Hour)
		_, err := w.login(t)
		identitytest.IsReason(t, "after a day", err, string(upstream.ReasonAway))
	})
}

// Userinfo adds what the ID token lacks, of the same person, and decides nothing about levels.
func TestUserInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(p *upstream.Provider) { p.OpenID.UserInfo = true })
		zhang := w.Zhang(t)
		w.op.claims["name"], w.op.claims["id_number"] = nil, nil
		w.op.user = map[string]any{"sub": subject, "name": "张小䶮", "id_number": identitytest.ZhangCode.Value, "acr": "level2", "auth_time": 1}
		if got, err := w.login(t); err != nil || got.Account.ID != zhang.ID || got.Proof.At != time.Now().Unix() {
			t.Errorf("%v, %v", got.Proof, err)
		}
		w.op.claims["acr"] = nil
		_, err := w.login(t)
		identitytest.IsReason(t, "the level from userinfo", err, string(upstream.ReasonLow))
		w.op.claims["acr"] = "level2"
		w.op.user["sub"] = "somebody else"
		_, err = w.login(t)
		identitytest.IsReason(t, "of somebody else", err, string(upstream.ReasonWrong))
	})
}
