package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
)

// errForbiddenAddress says that a name leads to where no outbound request may go.
var errForbiddenAddress = errors.New("the address is not one that requests may go to")

// forbiddenNetworks are those that are never the Internet, beside what netip
// knows (RFC 6890): shared and reserved ones, and those in which an IPv6 address
// stands for an IPv4 one of any kind.
var forbiddenNetworks = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16")

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, t := range texts {
		all = append(all, netip.MustParsePrefix(t))
	}
	return all
}

// allowedAddress reports whether an outbound request may go there: to the
// Internet, and with private to loopback and private networks too; never to
// link-local addresses, where clouds keep their machines' credentials.
func allowedAddress(a netip.Addr, private bool) bool {
	a = a.Unmap().WithZone("")
	switch {
	case !a.IsValid(), a.IsUnspecified(), a.IsMulticast(), a.IsLinkLocalUnicast():
		return false
	case a.IsLoopback(), a.IsPrivate():
		return private
	}
	return !slices.ContainsFunc(forbiddenNetworks, func(n netip.Prefix) bool { return n.Contains(a) })
}

// outboundClient returns a client for requests that leave the service. It looks
// at the address itself when it connects, so that no name can lead elsewhere in
// between; it follows no redirect and asks no proxy, and takes what a small
// answer takes.
func outboundClient(timeout time.Duration, private bool, roots *x509.CertPool) *http.Client {
	dialer := &net.Dialer{Timeout: timeout / 2, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil || !allowedAddress(a.Addr(), private) {
			return errForbiddenAddress
		}
		return nil
	}}
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: timeout / 2, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 4, MaxConnsPerHost: 32,
			IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 16 << 10,
		},
	}
}

// SMSConfig says where text messages are handed over to be sent.
type SMSConfig struct {
	URL     string         // https
	Secret  oidc.Secret    // sent as a bearer token
	Private bool           // the gateway may be on loopback or in a private network
	Roots   *x509.CertPool // that its certificate leads to; default: the system's
	Timeout time.Duration  // of handing one over; default: 8 seconds
}

// SMS hands messages over to a gateway. It implements [identity.Sender].
//
// The gateway gets a POST with a JSON object {phone, text, code}, all strings:
// phone in the form of E.164, text complete in the person's language, code for
// gateways that fill templates of their own. Any status 2xx says that it took the
// message; the answer's body doesn't matter. A message is never handed over twice.
type SMS struct {
	c      SMSConfig
	client *http.Client
}

// NewSMS checks c and returns an SMS.
func NewSMS(c SMSConfig) (*SMS, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil, u.Scheme != "https", u.Host == "", u.User != nil, u.Fragment != "":
		return nil, errors.New("the gateway's URL must be absolute, begin with https://, and have neither user nor fragment") // it may hold a secret
	case c.Secret.Reveal() == "" || strings.ContainsFunc(c.Secret.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("the gateway's secret must be visible ASCII characters, without spaces")
	case c.Timeout < 0:
		return nil, fmt.Errorf("the gateway's timeout is %v", c.Timeout)
	}
	if c.Timeout == 0 {
		c.Timeout = 8 * time.Second
	}
	return &SMS{c, outboundClient(c.Timeout, c.Private, c.Roots)}, nil
}

// maxSMSAnswer is how much of a gateway's answer is read, for the connection to
// be of use again; in bytes.
const maxSMSAnswer = 8 << 10

// Send implements [identity.Sender]. No error holds the phone, the text or the code.
func (s *SMS) Send(ctx context.Context, m identity.Message) error {
	body, err := json.Marshal(struct {
		Phone string `json:"phone"`
		Text  string `json:"text"`
		Code  string `json:"code"`
	}{m.Phone, m.Text, m.Code})
	if err != nil {
		return errors.New("a message to the SMS gateway is not UTF-8")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.c.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("making a request to the SMS gateway")
	}
	r.GetBody = nil // so that the transport never sends it a second time by itself
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+s.c.Secret.Reveal())
	r.Header.Set("User-Agent", "yizheng")
	answer, err := s.client.Do(r)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the URL
	}
	if err != nil {
		return fmt.Errorf("asking the SMS gateway: %w", err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, maxSMSAnswer) // what is lost is the connection
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("the SMS gateway answered with status %d", answer.StatusCode)
	}
	return nil
}
