package outbound

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity/notice"
)

// newGateway returns an SMS gateway on this machine, and what is configured for it.
func newGateway(t *testing.T, h http.HandlerFunc) (*httptest.Server, HookConfig) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = nil
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s, HookConfig{URL: s.URL + "/sms?tenant=1", Secret: oidc.SecretOf("s3cret.of-the-gateway"), Private: true, Roots: roots, Timeout: 2 * time.Second}
}

var sampleMessage = notice.Message{Phone: "+8613800138000", Kind: notice.LoginCode, Text: "【一证】验证码 012345,\"\\u0000<&>", Code: "012345"}

func TestSMS(t *testing.T) {
	t.Parallel()
	var got struct {
		Phone, Text, Code string
		Kind              notice.Kind
	}
	var members map[string]string
	requests := 0
	_, c := newGateway(t, func(w http.ResponseWriter, r *http.Request) {
		requests++
		body, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(body, &got) != nil || json.Unmarshal(body, &members) != nil {
			t.Errorf("body is %s, %v", body, err)
		}
		if r.Method != "POST" || r.URL.RequestURI() != "/sms?tenant=1" || r.Header.Get("Content-Type") != "application/json" ||
			r.Header.Get("Authorization") != "Bearer s3cret.of-the-gateway" || r.ContentLength != int64(len(body)) {
			t.Errorf("request is %s %s %v", r.Method, r.URL, r.Header)
		}
		w.WriteHeader(http.StatusAccepted)
	})
	s, err := NewSMS(c)
	mustOf(t)(err)
	for range 3 {
		mustOf(t)(s.Send(t.Context(), sampleMessage))
	}
	if got.Phone != sampleMessage.Phone || got.Text != sampleMessage.Text || got.Code != sampleMessage.Code || got.Kind != sampleMessage.Kind || len(members) != 4 || requests != 3 {
		t.Errorf("the gateway got %+v, %d times", members, requests)
	}
}

// saysNothing checks that an error holds nothing that it must not hold.
func saysNothing(t *testing.T, what string, err error, c HookConfig) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	for _, secret := range []string{"138001", "012345", "一证", "s3cret", "tenant", c.URL} {
		if strings.Contains(fmt.Sprintf("%v %+v", err, c.Secret), secret) {
			t.Errorf("%s: the error holds %q: %v", what, secret, err)
		}
	}
}

func TestSMSRefused(t *testing.T) {
	t.Parallel()
	elsewhere, _ := newGateway(t, func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") })
	taken := map[string]bool{ // surely not, that is
		"an error with the message in it": true, "a refusal": true, "a redirect": true, "a page instead": true, "an endless answer": true,
	}
	for name, h := range map[string]http.HandlerFunc{
		"an error with the message in it": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500); io.Copy(w, r.Body) },
		"a refusal":                       func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"a page instead": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"an endless answer": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(503)
			for r.Context().Err() == nil {
				if _, err := w.Write(bytes.Repeat([]byte("x"), 1<<20)); err != nil {
					return
				}
			}
		},
		"endless headers": func(w http.ResponseWriter, _ *http.Request) {
			for i := range 100 {
				w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", 1000))
			}
		},
		"a proxy's timeout":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(504) },
		"no answer":           func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"a broken connection": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, c := newGateway(t, h)
			c.Roots.AddCert(elsewhere.Certificate())
			s, err := NewSMS(c)
			mustOf(t)(err)
			began := time.Now()
			err = s.Send(t.Context(), sampleMessage)
			saysNothing(t, name, err, c)
			if errors.Is(err, notice.ErrNotTaken) != taken[name] {
				t.Errorf("surely not taken, or it may be: %v", err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// A gateway to which there is no connection surely took nothing.
func TestSMSNotConnected(t *testing.T) {
	t.Parallel()
	gateway, c := newGateway(t, nil)
	gateway.Close()
	s, err := NewSMS(c)
	mustOf(t)(err)
	if err := s.Send(t.Context(), sampleMessage); !errors.Is(err, notice.ErrNotTaken) {
		t.Errorf("got %v", err)
	}
}

// A message that may have arrived isn't handed over again, even if a kept
// connection ends under it.
func TestSMSNeverTwice(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	_, c := newGateway(t, func(http.ResponseWriter, *http.Request) {
		if requests.Add(1) == 2 {
			panic(http.ErrAbortHandler)
		}
	})
	s, err := NewSMS(c)
	mustOf(t)(err)
	mustOf(t)(s.Send(t.Context(), sampleMessage))
	saysNothing(t, "the connection ends", s.Send(t.Context(), sampleMessage), c)
	if n := requests.Load(); n != 2 {
		t.Errorf("the gateway got %d requests", n)
	}
}

// Without leave nothing goes to this machine or a private network, whatever the
// name says, nor around the guard by a proxy of the environment.
func TestSMSAddresses(t *testing.T) {
	server, c := newGateway(t, func(http.ResponseWriter, *http.Request) { t.Error("the guard let it through") })
	t.Setenv("HTTPS_PROXY", server.URL)
	c.Private = false
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	mustOf(t)(err)
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "2130706433", "0x7f.1"} {
		c.URL = "https://" + host + ":" + port + "/sms?tenant=1"
		s, err := NewSMS(c)
		mustOf(t)(err)
		err = s.Send(t.Context(), sampleMessage)
		saysNothing(t, host, err, c)
		if _, parses := netip.ParseAddr(strings.Trim(host, "[]")); (parses == nil || host == "localhost") && !errors.Is(err, ErrForbiddenAddress) {
			t.Errorf("%s: %v", host, err)
		}
	}
	for text, want := range map[string]struct{ open, private bool }{
		"8.8.8.8": {true, true}, "2400:3200::1": {true, true}, "10.1.2.3": {false, true}, "172.16.0.1": {false, true}, "192.168.1.1": {false, true}, "127.0.0.1": {false, true},
		"::1": {false, true}, "fd00::1": {false, true}, "::ffff:10.0.0.1": {false, true}, "169.254.169.254": {}, "fe80::1": {}, "fe80::1%eth0": {}, "::ffff:169.254.169.254": {},
		"0.0.0.0": {}, "::": {}, "224.0.0.1": {}, "255.255.255.255": {}, "100.64.0.1": {}, "198.18.0.1": {}, "192.0.2.1": {}, "240.0.0.1": {}, "ff02::1": {},
		"64:ff9b::7f00:1": {}, "2002:7f00:1::": {}, "2001:db8::1": {}, "172.32.0.1": {true, true}, "100.128.0.1": {true, true},
	} {
		a := netip.MustParseAddr(text)
		if allowedAddress(a, false) != want.open || allowedAddress(a, true) != want.private {
			t.Errorf("%s: %v, with leave %v", a, allowedAddress(a, false), allowedAddress(a, true))
		}
	}
	if allowedAddress(netip.Addr{}, true) {
		t.Error("no address is allowed")
	}
}

func TestSMSForeignCertificate(t *testing.T) {
	t.Parallel()
	_, c := newGateway(t, func(http.ResponseWriter, *http.Request) { t.Error("a foreign certificate was accepted") })
	c.Roots = x509.NewCertPool()
	s, err := NewSMS(c)
	mustOf(t)(err)
	saysNothing(t, "a foreign certificate", s.Send(t.Context(), sampleMessage), c)
}

func TestSMSGivenUp(t *testing.T) {
	t.Parallel()
	_, c := newGateway(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s, err := NewSMS(c)
	mustOf(t)(err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Send(ctx, sampleMessage); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestNewSMSRefuses(t *testing.T) {
	t.Parallel()
	good := HookConfig{URL: "https://sms.example/send", Secret: oidc.SecretOf("secret")}
	if _, err := NewSMS(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*HookConfig){
		"no URL":            func(c *HookConfig) { c.URL = "" },
		"http":              func(c *HookConfig) { c.URL = "http://sms.example/send" },
		"another scheme":    func(c *HookConfig) { c.URL = "file:///etc/passwd" },
		"no host":           func(c *HookConfig) { c.URL = "https:///send" },
		"a user":            func(c *HookConfig) { c.URL = "https://me:s3cret@sms.example/send" },
		"no secret":         func(c *HookConfig) { c.Secret = oidc.Secret{} },
		"a secret of lines": func(c *HookConfig) { c.Secret = oidc.SecretOf("a\r\nX-Header: b") },
		"a negative time":   func(c *HookConfig) { c.Timeout = -1 },
	} {
		c := good
		change(&c)
		if _, err := NewSMS(c); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func mustOf(t testing.TB) func(error) {
	return func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}
