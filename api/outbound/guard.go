// Package outbound makes the requests that leave the service, guarded: whoever may
// name an address for one, an operator or a client, must not reach through it what only
// this machine reaches. So far it hands text messages over to a gateway ([SMS]).
package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"
)

// ErrForbiddenAddress says that a name leads to an address to which no outbound request may
// go: one that is never the Internet, or, unless that is allowed, one of a private network or
// of this machine.
var ErrForbiddenAddress = errors.New("the address is not one that requests may go to")

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

// newClient returns a client for requests that leave the service. It checks the address when
// it connects, so that a name can't change its address after the check. It follows no
// redirect, uses no proxy, and reads small answers only.
func newClient(timeout time.Duration, private bool, roots *x509.CertPool) *http.Client {
	dialer := &net.Dialer{Timeout: timeout / 2, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil || !allowedAddress(a.Addr(), private) {
			return ErrForbiddenAddress
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

// do sends a request. No error holds its URL, which may hold a secret.
func do(c *http.Client, r *http.Request) (*http.Response, error) {
	answer, err := c.Do(r)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return answer, err
}
