package factor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/passkey"
	"yizheng.internal/oidc/identity/passkey/passkeytest"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/signing"
)

// asked returns what a login page asks for.
func asked(t testing.TB, w *identitytest.World, binding string) string {
	t.Helper()
	options, err := w.AloneOptions(t.Context(), factor.Passkey, binding)
	if err != nil || options == "" {
		t.Fatalf("the page asks for %q, %v", options, err)
	}
	return options
}

func signed(t testing.TB, device *passkeytest.Authenticator, options string) string {
	t.Helper()
	answer, err := device.Get(options)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func logIn(ctx context.Context, w *identitytest.World, binding, answer string) (identity.Account, error) {
	a, p, err := w.CheckAlone(ctx, factor.Passkey, factor.AloneAttempt{Answer: answer, Binding: binding, Address: identitytest.Here, RequestID: "r"})
	if err == nil && p != (factor.Proof{Factor: factor.Passkey, Verified: true}) {
		err = fmt.Errorf("it proves %v", p)
	}
	return a, err
}

// anotherPerson registers 李建国.
func anotherPerson(t testing.TB, w *identitytest.World) identity.Account {
	t.Helper()
	a, _, err := w.Register(t.Context(), identity.Registration{Name: "李建国", Code: identitytest.LiCode, LoginName: "jianguo", Password: identitytest.Password})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func ownerOf(a identity.Account) authenticator.Owner {
	return authenticator.Owner{Account: a.ID, Session: "session", AuthTime: time.Now(), Strength: 3, Language: "zh-CN", RequestID: "r"}
}

// results returns the results of all tries with passkeys.
func results(w *identitytest.World) (all []string) {
	for _, r := range w.Results() {
		if result, ok := strings.CutPrefix(r, "passkey.check "); ok {
			all = append(all, result)
		}
	}
	return all
}

// A passkey alone leads to its account; the challenge passes once, for this browser, for five minutes.
func TestPasskeyAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		device := w.AddPasskey(t, a)
		answer := signed(t, device, asked(t, w, "browser"))
		got, err := logIn(t.Context(), w, "browser", answer)
		identitytest.IsReason(t, "logging in", err, "")
		if got.ID != a.ID {
			t.Errorf("it leads to %s", got.ID)
		}
		if used := passkey.Of(&got)[0].Used; !used.Equal(time.Now().Truncate(time.Second)) {
			t.Errorf("it was used %v", used)
		}
		_, err = logIn(t.Context(), w, "browser", answer)
		identitytest.IsReason(t, "the same answer again", err, "passkey_expired")
		_, err = logIn(t.Context(), w.At(t, identitytest.Cheap), "browser", answer)
		identitytest.IsReason(t, "at another node", err, "passkey_expired")
		_, err = logIn(t.Context(), w, "another", signed(t, device, asked(t, w, "browser")))
		identitytest.IsReason(t, "in another browser", err, "passkey_refused")
		late := signed(t, device, asked(t, w, "browser"))
		time.Sleep(5 * time.Minute)
		_, err = logIn(t.Context(), w, "browser", late)
		identitytest.IsReason(t, "five minutes later", err, "passkey_expired")
		begun, err := w.Begin(t.Context(), factor.Passkey, factor.Login{Account: a.ID, Binding: "browser"})
		identitytest.IsReason(t, "beginning a second step", err, "")
		_, err = logIn(t.Context(), w, "browser", signed(t, device, begun.Options))
		identitytest.IsReason(t, "with the challenge of a second step", err, "passkey_refused")
	})
}

// Whatever is wrong gets one answer; the event says what it was.
func TestPasskeyRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		device := w.AddPasskey(t, a)
		right := *device
		unknown := passkeytest.New(identitytest.URL)
		elsewhere := w.AddPasskey(t, anotherPerson(t, w))
		setup, err := w.Authenticators.PreparePasskey(t.Context(), ownerOf(a))
		identitytest.IsReason(t, "preparing", err, "")
		if _, err := unknown.Create(setup.Options); err != nil { // made, and never added
			t.Fatal(err)
		}
		stranger := passkeytest.New(identitytest.URL)
		if _, err := stranger.Create(setup.Options); err != nil {
			t.Fatal(err)
		}
		stranger.Rehandle(identity.NewHandle())
		for _, tt := range []struct {
			name, result string
			change       func(d *passkeytest.Authenticator) *passkeytest.Authenticator
		}{
			{"another site", "passkey_wrong", func(d *passkeytest.Authenticator) *passkeytest.Authenticator {
				d.Origin = "https://id.example.evil.example"
				return d
			}},
			{"by http", "passkey_wrong", func(d *passkeytest.Authenticator) *passkeytest.Authenticator {
				d.Origin = "http://id.example"
				return d
			}},
			{"another port", "passkey_wrong", func(d *passkeytest.Authenticator) *passkeytest.Authenticator { d.Origin += ":444"; return d }},
			{"in a frame of another site's", "passkey_wrong", func(d *passkeytest.Authenticator) *passkeytest.Authenticator { d.Cross = true; return d }},
			{"another relying party", "passkey_wrong", func(d *passkeytest.Authenticator) *passkeytest.Authenticator { d.RPID = "example"; return d }},
			{"another challenge", "passkey_wrong", func(d *passkeytest.Authenticator) *passkeytest.Authenticator {
				d.Challenge = "AAAAAAAAAAAAAAAAAAAAAA"
				return d
			}},
			{"made, and not logged in with", "passkey_wrong", func(d *passkeytest.Authenticator) *passkeytest.Authenticator { d.Type = "webauthn.create"; return d }},
			{"without user verification", "passkey_wrong", func(d *passkeytest.Authenticator) *passkeytest.Authenticator {
				d.Flags &^= passkeytest.Verified
				return d
			}},
			{"without anybody present", "passkey_wrong", func(d *passkeytest.Authenticator) *passkeytest.Authenticator {
				d.Flags &^= passkeytest.Present
				return d
			}},
			{"no longer to be backed up", "passkey_wrong", func(d *passkeytest.Authenticator) *passkeytest.Authenticator {
				d.Flags &^= passkeytest.Eligible | passkeytest.BackedUp
				return d
			}},
			{"backed up, and not to be", "passkey_wrong", func(d *passkeytest.Authenticator) *passkeytest.Authenticator {
				d.Flags &^= passkeytest.Eligible
				return d
			}},
			{"an unknown passkey of a known account", "passkey_unknown", func(*passkeytest.Authenticator) *passkeytest.Authenticator { return unknown }},
			{"an unknown passkey of nobody", "passkey_unknown", func(*passkeytest.Authenticator) *passkeytest.Authenticator { return stranger }},
			{"another's passkey with this handle", "passkey_unknown", func(*passkeytest.Authenticator) *passkeytest.Authenticator {
				elsewhere.Rehandle(right.Handle())
				return elsewhere
			}},
			{"no handle", "passkey_unknown", func(*passkeytest.Authenticator) *passkeytest.Authenticator { elsewhere.Rehandle(nil); return elsewhere }},
		} {
			changed := right
			answer := signed(t, tt.change(&changed), asked(t, w, "browser"))
			_, err := logIn(t.Context(), w, "browser", answer)
			identitytest.IsReason(t, tt.name, err, "passkey_refused")
			if got := results(w); got[len(got)-1] != tt.result {
				t.Errorf("%s: the event says %s", tt.name, got[len(got)-1])
			}
		}
		for name, answer := range map[string]string{"nothing": "", "no JSON": "x", "an empty object": "{}", "a long one": string(make([]byte, 1<<20))} {
			_, err := logIn(t.Context(), w, "browser", answer)
			identitytest.IsReason(t, name, err, "passkey_refused")
		}
		// A signature of something else.
		var sent map[string]any
		if err := json.Unmarshal([]byte(signed(t, &right, asked(t, w, "browser"))), &sent); err != nil {
			t.Fatal(err)
		}
		var other map[string]any
		_ = json.Unmarshal([]byte(signed(t, &right, asked(t, w, "browser"))), &other)
		sent["response"].(map[string]any)["signature"] = other["response"].(map[string]any)["signature"]
		forged, _ := json.Marshal(sent)
		_, err = logIn(t.Context(), w, "browser", string(forged))
		identitytest.IsReason(t, "another signature", err, "passkey_refused")

		_, err = w.DisableAccount(t.Context(), "cli", a.ID, true)
		identitytest.IsReason(t, "disabling", err, "")
		_, err = logIn(t.Context(), w, "browser", signed(t, &right, asked(t, w, "browser")))
		identitytest.IsReason(t, "a disabled account", err, "passkey_refused")
		if got := results(w); got[len(got)-1] != "account_disabled" {
			t.Errorf("the event says %s", got[len(got)-1])
		}
	})
}

// A sign count that doesn't go up says that there is a copy, if there is a count at all.
func TestPasskeyCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		device := w.AddPasskey(t, w.Zhang(t))
		for range 2 { // without a count
			_, err := logIn(t.Context(), w, "b", signed(t, device, asked(t, w, "b")))
			identitytest.IsReason(t, "without a count", err, "")
		}
		device.Counts = true
		for range 2 {
			_, err := logIn(t.Context(), w, "b", signed(t, device, asked(t, w, "b")))
			identitytest.IsReason(t, "counting", err, "")
		}
		device.Rewind(1)
		_, err := logIn(t.Context(), w, "b", signed(t, device, asked(t, w, "b")))
		identitytest.IsReason(t, "the same count again", err, "passkey_refused")
		if got := results(w); got[len(got)-1] != "passkey_copied" {
			t.Errorf("the event says %s", got[len(got)-1])
		}
		device.Counts = false
		device.Rewind(2)
		_, err = logIn(t.Context(), w, "b", signed(t, device, asked(t, w, "b")))
		identitytest.IsReason(t, "back to nothing", err, "passkey_refused")
	})
}

// As a second step, it is the account's own passkey that is asked for.
func TestPasskeySecondStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		device := w.AddPasskey(t, a)
		l := factor.Login{Account: a.ID, Binding: "session", Address: identitytest.Here, RequestID: "r"}
		try := func(l factor.Login, answer string) error {
			_, err := w.Finish(t.Context(), factor.Passkey, l, answer)
			return err
		}
		begin := func() string {
			begun, err := w.Begin(t.Context(), factor.Passkey, l)
			identitytest.IsReason(t, "beginning", err, "")
			return begun.Options
		}
		li := anotherPerson(t, w)
		others := w.AddPasskey(t, li)
		if _, err := others.Get(begin()); !errors.Is(err, passkeytest.ErrNone) {
			t.Errorf("another's passkey is asked for: %v", err)
		}
		answer := signed(t, device, begin())
		another := l
		another.Binding = "another session"
		identitytest.IsReason(t, "in another session", try(another, answer), "passkey_refused")
		identitytest.IsReason(t, "right", try(l, answer), "")
		identitytest.IsReason(t, "again", try(l, answer), "passkey_expired")
		var o struct {
			Challenge string `json:"challenge"`
			RPID      string `json:"rpId"`
		}
		_ = json.Unmarshal([]byte(begin()), &o)
		forced, err := others.Sign(others.ID(), o.RPID, o.Challenge)
		identitytest.IsReason(t, "signing with another's", err, "")
		identitytest.IsReason(t, "another's passkey", try(l, forced), "passkey_refused")
		handle := device.Handle()
		device.Rehandle(identity.NewHandle())
		identitytest.IsReason(t, "with another's handle", try(l, signed(t, device, begin())), "passkey_refused")
		device.Rehandle(handle)
		for range 19 {
			identitytest.IsReason(t, "wrong", try(l, "{}"), "passkey_refused")
		}
		// What can't be read, or answers no challenge, isn't compared, and isn't counted.
		identitytest.IsReason(t, "right, after those", try(l, signed(t, device, begin())), "")
		device.Origin = "https://evil.example"
		for range 20 {
			_ = try(l, signed(t, device, begin()))
		}
		device.Origin = identitytest.URL
		identitytest.IsReason(t, "right, after too many", try(l, signed(t, device, begin())), "too_many_tries")
	})
}

// An address that sends what is refused again and again is refused for a while, and others aren't.
func TestPasskeyAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		device := w.AddPasskey(t, w.Zhang(t))
		old := signed(t, device, asked(t, w, "b"))
		for range 1000 { // the first passes; the others are no guesses
			_, _ = logIn(t.Context(), w, "b", old)
		}
		for range 1000 {
			_, err := logIn(t.Context(), w, "b", "{}")
			identitytest.IsReason(t, "wrong", err, "passkey_refused")
		}
		answer := signed(t, device, asked(t, w, "b"))
		_, err := logIn(t.Context(), w, "b", answer)
		identitytest.IsReason(t, "after a thousand", err, "too_many_tries")
		_, _, err = w.CheckAlone(t.Context(), factor.Passkey, factor.AloneAttempt{Answer: answer, Binding: "b", Address: netip.MustParseAddr("192.0.2.77")})
		identitytest.IsReason(t, "from elsewhere", err, "")
	})
}

// Without its event, or while nothing can be counted, nobody is logged in.
func TestPasskeyWithoutStores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		device := w.AddPasskey(t, w.Zhang(t))
		w.FailRecord = errors.New("the disk is full")
		if a, err := logIn(t.Context(), w, "b", signed(t, device, asked(t, w, "b"))); err == nil || a.ID != "" {
			t.Errorf("without its event it leads to %q, %v", a.ID, err)
		}
	})
}

// The handle tells nothing, and stays the same while passkeys come and go.
func TestPasskeyHandle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		first, second := w.AddPasskey(t, a), w.AddPasskey(t, a)
		if !slices.Equal(first.Handle(), second.Handle()) || len(first.Handle()) != identity.HandleSize {
			t.Errorf("handles %x, %x", first.Handle(), second.Handle())
		}
		now, _ := w.Account(t.Context(), a.ID)
		for _, x := range now.Authenticators {
			_, _, err := w.Authenticators.Remove(t.Context(), ownerOf(a), x.ID)
			identitytest.IsReason(t, "removing", err, "")
		}
		_, err := logIn(t.Context(), w, "b", signed(t, first, asked(t, w, "b")))
		identitytest.IsReason(t, "a removed one", err, "passkey_refused")
		time.Sleep(time.Second)
		if third := w.AddPasskey(t, a); !slices.Equal(first.Handle(), third.Handle()) {
			t.Error("there is another handle")
		}
		old := w.RotateLookup(t)
		identitytest.IsReason(t, "rehashing", w.RehashLogins(t.Context(), nil), "")
		w.RevokeKey(t, old)
		third := w.AddPasskey(t, a)
		_, err = logIn(t.Context(), w, "b", signed(t, third, asked(t, w, "b")))
		identitytest.IsReason(t, "under another lookup key", err, "")
	})
}

// awayAccounts is a store that doesn't answer.
type awayAccounts struct{ identity.Accounts }

func (awayAccounts) FindAccount(context.Context, []signing.Lookup) (identity.AccountRecord, error) {
	return identity.AccountRecord{}, errors.New("away")
}

// A fault of ours is no wrong answer of an address.
func TestPasskeyFaultsOfOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		device := w.AddPasskey(t, w.Zhang(t))
		for range 999 {
			_, err := logIn(t.Context(), w, "b", "{}")
			identitytest.IsReason(t, "wrong", err, "passkey_refused")
		}
		away := *w
		away.Node = w.Open(t, func(c *people.Config) { c.Accounts = awayAccounts{w.Memory} })
		for range 5 {
			if _, err := logIn(t.Context(), &away, "b", signed(t, device, asked(t, w, "b"))); err == nil {
				t.Fatal("it logs in without a store")
			}
		}
		_, err := logIn(t.Context(), w, "b", signed(t, device, asked(t, w, "b")))
		identitytest.IsReason(t, "right, after faults of ours", err, "")
	})
}
