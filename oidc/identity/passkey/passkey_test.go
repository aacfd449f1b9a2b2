package passkey_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/passkey"
	"yizheng.internal/oidc/identity/passkey/passkeytest"
)

func open(t testing.TB, w *identitytest.World, url string) *passkey.Service {
	t.Helper()
	s, err := passkey.New(passkey.Config{URL: url, Vault: w.Vault, Ephemeral: w.Memory})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// creation returns the options for a new passkey of somebody's.
func creation(t testing.TB, s *passkey.Service, binding string, has ...passkey.Passkey) string {
	t.Helper()
	challenge, err := s.CreationChallenge(t.Context(), binding)
	if err != nil {
		t.Fatal(err)
	}
	options, err := s.CreationJSON(challenge, passkey.Owner{Handle: make([]byte, 64), Name: "zhang"}, has)
	if err != nil {
		t.Fatal(err)
	}
	return options
}

func request(t testing.TB, s *passkey.Service, binding string) string {
	t.Helper()
	challenge, err := s.RequestChallenge(t.Context(), binding)
	if err != nil {
		t.Fatal(err)
	}
	options, err := s.RequestJSON(challenge, nil)
	if err != nil {
		t.Fatal(err)
	}
	return options
}

func register(t testing.TB, s *passkey.Service, binding, answer string) (passkey.Passkey, error) {
	t.Helper()
	created, err := passkey.ReadCreated(answer)
	if err != nil {
		return passkey.Passkey{}, err
	}
	return s.Register(t.Context(), binding, created)
}

func is(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// Passkeys of the three algorithms are made and log in; what they say of themselves is kept.
func TestAlgorithms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		s := open(t, w, "http://localhost:8080")
		for _, algorithm := range []int{passkeytest.ES256, passkeytest.EdDSA, passkeytest.RS256} {
			device := passkeytest.New("http://localhost:8080")
			device.Algorithm = algorithm
			answer, err := device.Create(creation(t, s, "b"))
			is(t, "making", err, nil)
			k, err := register(t, s, "b", answer)
			is(t, "registering", err, nil)
			if !slices.Equal(k.ID, device.ID()) || !k.Eligible || !k.BackedUp || !slices.Equal(k.Transports, []string{"hybrid", "internal"}) || len(k.AAGUID) != 16 {
				t.Errorf("%d: it is kept as %+v", algorithm, k)
			}
			if answer, err = device.Get(request(t, s, "b")); err != nil {
				t.Fatal(err)
			}
			a, err := s.Read(t.Context(), "b", answer)
			is(t, "reading", err, nil)
			after, err := s.Verify(a, k)
			is(t, "verifying", err, nil)
			if !after.Used.Equal(time.Now().Truncate(time.Second)) {
				t.Errorf("it was used %v", after.Used)
			}
			other := k
			other.ID = []byte("another")
			_, err = s.Verify(a, other)
			is(t, "another's key", err, passkey.ErrRefused)
		}
	})
}

// Whatever is wrong with a new passkey is refused.
func TestRegisterRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		s := open(t, w, identitytest.URL)
		for name, change := range map[string]func(d *passkeytest.Authenticator){
			"another site":          func(d *passkeytest.Authenticator) { d.Origin = "https://evil.example" },
			"a site below ours":     func(d *passkeytest.Authenticator) { d.Origin = "https://sub.id.example" },
			"in a frame":            func(d *passkeytest.Authenticator) { d.Cross = true },
			"another relying party": func(d *passkeytest.Authenticator) { d.RPID = "evil.example" },
			"another challenge": func(d *passkeytest.Authenticator) {
				d.Challenge = base64.RawURLEncoding.EncodeToString(make([]byte, 60))
			},
			"logged in with":            func(d *passkeytest.Authenticator) { d.Type = "webauthn.get" },
			"without user verification": func(d *passkeytest.Authenticator) { d.Flags &^= passkeytest.Verified },
			"without presence":          func(d *passkeytest.Authenticator) { d.Flags &^= passkeytest.Present },
			"backed up, and not to be":  func(d *passkeytest.Authenticator) { d.Flags &^= passkeytest.Eligible },
			"another algorithm":         func(d *passkeytest.Authenticator) { d.Algorithm = passkeytest.ES384 },
			"another attestation":       func(d *passkeytest.Authenticator) { d.Format = "tpm" },
		} {
			device := passkeytest.New(identitytest.URL)
			change(device)
			answer, err := device.Create(creation(t, s, "b"))
			is(t, name, err, nil)
			_, err = register(t, s, "b", answer)
			is(t, name, err, passkey.ErrRefused)
		}
		for name, answer := range map[string]string{"nothing": "", "no JSON": "x", "an empty object": "{}", "a long one": strings.Repeat(" ", 17<<10)} {
			_, err := passkey.ReadCreated(answer)
			is(t, name, err, passkey.ErrRefused)
		}
		self := passkeytest.New(identitytest.URL) // what it attests itself is no attestation
		self.Format = "packed"
		answer, _ := self.Create(creation(t, s, "b"))
		_, err := register(t, s, "b", answer)
		is(t, "its own attestation", err, nil)
	})
}

// A challenge is of its use and its login, and passes once within five minutes.
func TestChallenges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		s := open(t, w, identitytest.URL)
		device := passkeytest.New(identitytest.URL)
		answer, _ := device.Create(creation(t, s, "b"))
		_, err := register(t, s, "another", answer)
		is(t, "another login", err, passkey.ErrRefused)
		k, err := register(t, s, "b", answer)
		is(t, "this login", err, nil)
		_, err = register(t, s, "b", answer)
		is(t, "again", err, passkey.ErrExpired)
		if _, err := device.Create(creation(t, s, "b", k)); !errors.Is(err, passkeytest.ErrExcluded) {
			t.Errorf("a second one on the same device: %v", err)
		}

		get := func() string {
			answer, err := device.Get(request(t, s, "b"))
			is(t, "getting", err, nil)
			return answer
		}
		late, soon := get(), get()
		_, err = s.Read(t.Context(), "another", get())
		is(t, "another login", err, passkey.ErrRefused)
		time.Sleep(passkey.ChallengeLife - time.Second)
		_, err = s.Read(t.Context(), "b", soon)
		is(t, "just in time", err, nil)
		time.Sleep(time.Second)
		_, err = s.Read(t.Context(), "b", late)
		is(t, "too late", err, passkey.ErrExpired)
		_, err = s.Read(t.Context(), "b", soon)
		is(t, "again", err, passkey.ErrExpired)

		var o struct {
			Challenge string `json:"challenge"`
		}
		_ = json.Unmarshal([]byte(creation(t, s, "b")), &o)
		swapped, err := device.Sign(device.ID(), "id.example", o.Challenge)
		is(t, "signing", err, nil)
		_, err = s.Read(t.Context(), "b", swapped)
		is(t, "a challenge for making one", err, passkey.ErrRefused)
		if raw, _ := base64.RawURLEncoding.DecodeString(o.Challenge); len(raw) != 60 {
			t.Errorf("challenge %q", o.Challenge)
		}
		if one, other := creation(t, s, "b"), creation(t, s, "b"); one == other {
			t.Error("a challenge comes twice")
		}
	})
}

// While answers can't be counted, none passes.
func TestWithoutStore(t *testing.T) {
	w := identitytest.NewWorld(t)
	s, err := passkey.New(passkey.Config{URL: identitytest.URL, Vault: w.Vault, Ephemeral: away{w.Memory}})
	is(t, "opening", err, nil)
	device := passkeytest.New(identitytest.URL)
	answer, _ := device.Create(creation(t, s, "b"))
	_, err = register(t, s, "b", answer)
	is(t, "registering", err, passkey.ErrAway)
}

func TestNew(t *testing.T) {
	w := identitytest.NewWorld(t)
	for _, url := range []string{"", "id.example", "ftp://id.example", "https://", "%"} {
		if _, err := passkey.New(passkey.Config{URL: url, Vault: w.Vault, Ephemeral: w.Memory}); err == nil {
			t.Errorf("%q is a public URL", url)
		}
	}
	if _, err := passkey.New(passkey.Config{URL: identitytest.URL}); err == nil {
		t.Error("it needs no stores")
	}
}

// FuzzAnswers: nothing that a browser may send does any harm, or passes.
func FuzzAnswers(f *testing.F) {
	w := identitytest.NewWorld(f)
	s := open(f, w, identitytest.URL)
	device := passkeytest.New(identitytest.URL)
	made, err := device.Create(creation(f, s, "b"))
	if err != nil {
		f.Fatal(err)
	}
	got, err := device.Get(request(f, s, "b"))
	if err != nil {
		f.Fatal(err)
	}
	device.Format = "packed"
	packed, _ := device.Create(creation(f, s, "b"))
	k, err := register(f, s, "b", made)
	if err != nil {
		f.Fatal(err)
	}
	for _, answer := range []string{made, got, packed, "", "{}", `{"id":"AA","rawId":"AA","type":"public-key","response":{}}`} {
		f.Add(answer)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		if _, err := s.Read(t.Context(), "nobody's", answer); err == nil {
			t.Errorf("%q is read", answer)
		}
		if a, err := passkey.Parse(answer); err == nil {
			if _, err := s.Verify(a, k); err == nil && !sameSignature(answer, got) {
				t.Errorf("%q is verified", answer)
			}
		}
		if created, err := passkey.ReadCreated(answer); err == nil {
			if k, err := s.Register(t.Context(), "nobody's", created); err == nil {
				t.Errorf("%q is registered as %+v", answer, k)
			}
		}
	})
}

// sameSignature reports whether an answer has the signed parts of another one: around them much
// may differ.
func sameSignature(answer, other string) bool {
	var a, b struct {
		Response struct {
			Client    string `json:"clientDataJSON"`
			Data      string `json:"authenticatorData"`
			Signature string `json:"signature"`
		} `json:"response"`
	}
	return json.Unmarshal([]byte(answer), &a) == nil && json.Unmarshal([]byte(other), &b) == nil && a == b
}

// away is a store that counts nothing.
type away struct{ *identitytest.Memory }

func (away) Count(context.Context, string, int64, time.Duration, time.Time) (int64, error) {
	return 0, ephemeral.ErrAway
}
