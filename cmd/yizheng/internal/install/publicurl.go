package install

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"yizheng.internal/cmd/yizheng/internal/texts"
)

// Localhost is the name of the machine's own addresses.
const Localhost = "localhost"

// CanonicalURL returns a public URL that was given in its one form, the origin as
// browsers and the metadata write it: cookies, forms and issuers are compared byte
// by byte. It is https, or http on loopback.
func CanonicalURL(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return "", texts.Usage("settings.url.absolute")
	case u.Path != "" && u.Path != "/":
		return "", texts.Usage("settings.url.path")
	case u.Scheme != "https" && (u.Scheme != "http" || !LoopbackHost(u.Hostname())):
		return "", texts.Usage("settings.url.scheme")
	}
	host := strings.ToLower(u.Hostname())
	a, err := netip.ParseAddr(host)
	switch {
	case err == nil && a.Zone() != "":
		return "", texts.Usage("settings.url.zone")
	case err == nil:
		host = a.String()
	case strings.ContainsFunc(host, func(c rune) bool { return c >= 0x80 }):
		return "", texts.Usage("settings.url.punycode")
	case !hostName.MatchString(host):
		return "", texts.Usage("settings.url.host", host)
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	switch port := u.Port(); {
	case port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80":
		return u.Scheme + "://" + host, nil
	default:
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return "", texts.Usage("settings.url.port")
		}
		return u.Scheme + "://" + host + ":" + strconv.FormatUint(n, 10), nil
	}
}

// hostName is a name of DNS, without a dot at its end.
var hostName = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// LoopbackHost reports whether a host is this machine's own, by name or address.
func LoopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// PublicURLAt returns the public URL of a service that was told to listen on an
// address, and does so at bound.
func (s Settings) PublicURLAt(told string, bound net.Addr) (string, error) {
	if s.PublicURL != "" {
		return CanonicalURL(s.PublicURL)
	}
	host, port, err := net.SplitHostPort(bound.String())
	if err != nil || !LoopbackHost(host) {
		return "", texts.Usage("settings.url.missing", bound)
	}
	if name, _, err := net.SplitHostPort(told); err == nil && strings.EqualFold(name, Localhost) {
		return CanonicalURL("http://" + net.JoinHostPort(Localhost, port))
	}
	return CanonicalURL("http://" + bound.String())
}
