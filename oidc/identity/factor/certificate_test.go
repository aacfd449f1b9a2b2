package factor_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/certificate"
	"yizheng.internal/oidc/identity/certificate/certificatetest"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/sm2"
)

// begin is when the clock of a bubble begins.
var begin = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// office has a CA whose certificates log people in. It is made outside a bubble, for openssl takes real time.
type office struct {
	ca          *certificatetest.CA
	files       map[string][]byte
	authorities []certificate.Authority
}

func newOffice(t *testing.T, hardware bool) *office {
	t.Helper()
	o := &office{ca: certificatetest.NewCA(t, begin), files: map[string][]byte{}}
	o.files["ca.pem"], o.files["ca.crl"] = o.ca.PEM(), o.ca.List(begin.Add(-time.Hour), begin.Add(1000*time.Hour))
	var err error
	o.authorities, err = certificate.ReadAuthorities(fmt.Appendf(nil, `{"authorities": [{"id": "yunling", "title": {"zh-CN": "云岭省电子认证"}, "anchors": "ca.pem", "hardware": %v, "lists": ["ca.crl"]}]}`, hardware),
		func(name string) ([]byte, error) { return o.files[name], nil })
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// world returns a world in which the office is trusted.
func (o *office) world(t *testing.T) *identitytest.World {
	t.Helper()
	w := identitytest.NewWorld(t)
	spent := map[[32]byte]bool{}
	var all *certificate.Service
	w.Node = w.Open(t, func(c *people.Config) {
		c.Certificates = certificate.Config{
			Authorities: o.authorities, Verifier: jose.NewVerifier(sm2.Config{}),
			Spend: func(_ context.Context, hash [32]byte, _ time.Time) (bool, error) {
				first := !spent[hash]
				spent[hash] = true
				return first, nil
			},
		}
	})
	if all = w.Certificates; all == nil {
		t.Fatal("nobody checks certificates")
	}
	all.Refresh(t.Context())
	return w
}

func answerOf(k *certificatetest.Key, text string) string {
	return certificate.Answer{Challenge: text, Certificate: k.PEM(), Signature: certificatetest.Base64(k.Sign(text))}.Text()
}

// add adds a key's certificate to an account.
func add(t *testing.T, w *identitytest.World, a identity.Account, k *certificatetest.Key) error {
	t.Helper()
	text, err := w.Authenticators.PrepareCertificate(t.Context(), ownerOf(a))
	identitytest.IsReason(t, "preparing", err, "")
	return w.Authenticators.AddCertificate(t.Context(), ownerOf(a), authenticator.CertificateForm{Name: "我的 USB Key", Answer: certificate.ReadAnswer(answerOf(k, text))})
}

// challenged returns what a login page has signed.
func challenged(t *testing.T, w *identitytest.World, binding string) string {
	t.Helper()
	text, err := w.AloneOptions(t.Context(), factor.Certificate, binding)
	if err != nil || text == "" {
		t.Fatalf("the page asks for %q, %v", text, err)
	}
	return text
}

func byCertificate(t *testing.T, w *identitytest.World, try factor.AloneAttempt) (identity.Account, factor.Proof, error) {
	t.Helper()
	try.Address, try.RequestID = identitytest.Here, "r"
	return w.CheckAlone(t.Context(), factor.Certificate, try)
}

// A certificate alone leads to its account. What it proves depends on where its key lies, and on the way.
func TestCertificateAlone(t *testing.T) {
	for _, tt := range []struct {
		hardware         bool
		signed, channel  factor.Proof
		strength, amount factor.Assurance
	}{
		{true, factor.Proof{Factor: factor.Certificate, Strength: 2}, factor.Proof{Factor: factor.Certificate, Strength: 2, Channel: true}, 2, 2},
		{false, factor.Proof{Factor: factor.Certificate, Strength: 1}, factor.Proof{Factor: factor.Certificate, Strength: 1, Channel: true}, 1, 1},
	} {
		o := newOffice(t, tt.hardware)
		k := o.ca.Issue(certificatetest.Wish{At: begin})
		renewed := o.ca.Issue(certificatetest.Wish{At: begin, Of: k})
		synctest.Test(t, func(t *testing.T) {
			w := o.world(t)
			a := w.Zhang(t)
			identitytest.IsReason(t, "adding", add(t, w, a, k), "")
			got, p, err := byCertificate(t, w, factor.AloneAttempt{Binding: "b", Answer: answerOf(k, challenged(t, w, "b"))})
			identitytest.IsReason(t, "by a signature", err, "")
			if got.ID != a.ID || p != tt.signed || factor.All().Strength([]factor.Proof{p}) != tt.strength {
				t.Errorf("it leads to %s and proves %v", got.ID, p)
			}
			var back factor.Proof
			if text, _ := p.MarshalText(); back.UnmarshalText(text) != nil || back != p {
				t.Errorf("stored it is %s, and read %v", text, back)
			}
			if used := certificate.Of(&got)[0].Used; !used.Equal(time.Now().Truncate(time.Second)) {
				t.Errorf("it was used %v", used)
			}
			got, p, err = byCertificate(t, w, factor.AloneAttempt{Binding: "b", Channel: string(renewed.DER())})
			identitytest.IsReason(t, "by the connection, renewed", err, "")
			if text, _ := p.MarshalText(); back.UnmarshalText(text) != nil || back != p {
				t.Errorf("stored it is %s, and read %v", text, back)
			}
			if got.ID != a.ID || p != tt.channel || factor.All().Strength([]factor.Proof{p}) != tt.amount {
				t.Errorf("it leads to %s and proves %v", got.ID, p)
			}
			if len(certificate.Of(&got)) != 1 || fmt.Sprint(factor.All().Methods([]factor.Proof{p})) == "[]" {
				t.Errorf("the account has %+v", certificate.Of(&got))
			}
			// It is never more than two factors: a change of authenticators asks for no more.
			if most := factor.All().Strength(factor.All().Best(got, time.Now())[1:2]); most != tt.strength {
				t.Errorf("the best that the certificate can be is %d", most)
			}
		})
	}
}

// Whatever tells something about accounts gets one answer; the event says what it was.
func TestCertificateRefused(t *testing.T) {
	o := newOffice(t, true)
	k, unknown, li := o.ca.Issue(certificatetest.Wish{At: begin}), o.ca.Issue(certificatetest.Wish{At: begin}), o.ca.Issue(certificatetest.Wish{At: begin})
	revoked := o.ca.Issue(certificatetest.Wish{At: begin})
	stranger := certificatetest.NewCA(t, begin).Issue(certificatetest.Wish{At: begin})
	synctest.Test(t, func(t *testing.T) {
		w := o.world(t)
		a, other := w.Zhang(t), anotherPerson(t, w)
		identitytest.IsReason(t, "adding", add(t, w, a, k), "")
		identitytest.IsReason(t, "adding another's", add(t, w, other, k), "certificate_taken")
		identitytest.IsReason(t, "adding their own", add(t, w, other, li), "")
		identitytest.IsReason(t, "adding a second one", add(t, w, a, revoked), "")
		o.ca.Revoke(revoked)
		o.files["ca.crl"] = o.ca.List(begin.Add(-time.Hour), begin.Add(1000*time.Hour))
		time.Sleep(time.Minute)
		w.Certificates.Refresh(t.Context())
		w.Results()
		try := func(what string, answer, want, event string) {
			t.Helper()
			before := len(w.Results())
			_, _, err := byCertificate(t, w, factor.AloneAttempt{Binding: "b", Answer: answer})
			identitytest.IsReason(t, what, err, want)
			if all := w.Results(); all[len(all)-1] != "certificate.check "+event || len(all) <= before {
				t.Errorf("%s: the last event is %s", what, all[len(all)-1])
			}
		}
		try("unknown", answerOf(unknown, challenged(t, w, "b")), "certificate_refused", "certificate_unknown")
		try("another browser's", answerOf(k, challenged(t, w, "c")), "certificate_refused", "certificate_wrong")
		try("another's signature", certificate.Answer{Challenge: challenged(t, w, "b"), Certificate: k.PEM(), Signature: certificatetest.Base64(unknown.Sign("x"))}.Text(), "certificate_refused", "certificate_wrong")
		try("revoked", answerOf(revoked, challenged(t, w, "b")), "certificate_revoked", "certificate_revoked")
		try("a stranger's", answerOf(stranger, challenged(t, w, "b")), "certificate_untrusted", "certificate_untrusted")
		try("rubbish", "{", "certificate_refused", "certificate_wrong")
		_, _, err := byCertificate(t, w, factor.AloneAttempt{Binding: "b"})
		identitytest.IsReason(t, "without a connection's certificate", err, "certificate_format")
		once := answerOf(k, challenged(t, w, "b"))
		try("the right one", once, "", "ok")
		try("once more", once, "certificate_stale", "certificate_stale")

		// As a second step, another account's certificate proves nothing.
		l := factor.Login{Account: a.ID, Binding: "session", Address: identitytest.Here, RequestID: "r"}
		begun, err := w.Begin(t.Context(), factor.Certificate, l)
		identitytest.IsReason(t, "beginning", err, "")
		_, err = w.Finish(t.Context(), factor.Certificate, l, answerOf(li, begun.Options))
		identitytest.IsReason(t, "another account's", err, "certificate_refused")
		_, err = w.Finish(t.Context(), factor.Certificate, l, answerOf(k, challenged(t, w, "session")))
		identitytest.IsReason(t, "with a login's challenge", err, "certificate_refused")
		begun, _ = w.Begin(t.Context(), factor.Certificate, l)
		p, err := w.Finish(t.Context(), factor.Certificate, l, answerOf(k, begun.Options))
		identitytest.IsReason(t, "their own", err, "")
		if p != (factor.Proof{Factor: factor.Certificate, Strength: 2}) {
			t.Errorf("it proves %v", p)
		}

		now, _ := w.Account(t.Context(), a.ID)
		removed, _, err := w.Authenticators.Remove(t.Context(), ownerOf(a), now.Authenticators[0].ID)
		identitytest.IsReason(t, "removing", err, "")
		if removed.Secured.IsZero() || len(removed.Unlinked) != 0 {
			t.Errorf("the account is %+v", removed)
		}
		try("removed", answerOf(k, challenged(t, w, "b")), "certificate_refused", "certificate_unknown")
		identitytest.IsReason(t, "adding it again", add(t, w, a, k), "")
		_, err = w.DisableAccount(t.Context(), "cli", a.ID, true)
		identitytest.IsReason(t, "disabling", err, "")
		try("of a disabled account", answerOf(k, challenged(t, w, "b")), "certificate_refused", "account_disabled")
	})
}

// Refused tries are limited by address, and nobody can lock somebody out from elsewhere.
func TestCertificateTries(t *testing.T) {
	o := newOffice(t, true)
	k := o.ca.Issue(certificatetest.Wish{At: begin})
	synctest.Test(t, func(t *testing.T) {
		w := o.world(t)
		a := w.Zhang(t)
		identitytest.IsReason(t, "adding", add(t, w, a, k), "")
		reason := ""
		for range 1001 {
			_, _, err := byCertificate(t, w, factor.AloneAttempt{Binding: "b", Answer: "x"})
			reason = identity.ReasonOf(err)
		}
		if reason != "too_many_tries" {
			t.Errorf("after a thousand tries: %s", reason)
		}
		_, _, err := w.CheckAlone(t.Context(), factor.Certificate, factor.AloneAttempt{Binding: "b", Answer: answerOf(k, challenged(t, w, "b")), Address: netip.MustParseAddr("192.0.2.77")})
		identitytest.IsReason(t, "the owner, from elsewhere", err, "")
		if told := w.SMS.Last(t).Text; !strings.Contains(told, "已添加登录方式：数字证书") {
			t.Errorf("the owner is told %s", told)
		}
	})
}
