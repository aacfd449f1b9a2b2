package client

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"yizheng.internal/oidc"
)

// MaxURI is the longest URI of a client, in bytes.
const MaxURI = 512

// checkURI says what is wrong with a URI that is to be registered for a client, or returns
// "". The text is made to follow words such as "a redirect URI".
func checkURI(raw string, public bool) string {
	if raw == "" || len(raw) > MaxURI {
		return "has 1 to 512 characters"
	}
	// Wildcards and templates are never matched.
	if !uriCharacters(raw) || strings.Contains(raw, "*") {
		return "holds a character that has no place in a URI, or a wildcard"
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Scheme == "" || !strings.HasPrefix(raw, u.Scheme+":"):
		return "is not an absolute URI with its scheme in lower case"
	case strings.Contains(raw, "#"):
		return "has a fragment (RFC 6749 section 3.1.2)"
	case u.User != nil:
		return "has a user in it"
	case !plainPort(u):
		return "has a port that is not 1 to 65535 in plain digits"
	case reservedInQuery(u.RawQuery):
		return "has a parameter in its query that an answer has too"
	}
	switch {
	case u.Scheme == "https" && u.Hostname() != "":
		return ""
	case u.Scheme == "http" && (u.Hostname() == "localhost" || isLoopback(u.Hostname())):
		return ""
	case u.Scheme == "http":
		return "is http elsewhere than on localhost or a loopback IP: use https"
	case strings.Contains(u.Scheme, "."):
		if !public {
			return "has a scheme of its own, which is for clients without a secret"
		}
		return ""
	}
	return "is neither https nor, for a native app, a scheme with a dot in it (RFC 8252 section 7.1)"
}

// IsURI reports whether a text has the form of an absolute URI (RFC 3986). A page shows a
// URI from a request only if it has this form: otherwise the maker of a link could put any
// text on an official page.
func IsURI(s string) bool {
	if s == "" || len(s) > MaxURI || !uriCharacters(s) {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.Scheme != ""
}

// uriCharacters reports whether a text has only characters that a URI may have.
func uriCharacters(s string) bool {
	for _, c := range []byte(s) {
		if c <= 0x20 || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			return false
		}
	}
	return true
}

// WebURI reports whether a browser can send a form to a registered URI.
func WebURI(uri string) bool {
	return strings.HasPrefix(uri, "https:") || strings.HasPrefix(uri, "http:")
}

// reservedInQuery reports whether a query has a parameter with a name that authorization
// responses use: a client could not tell it from ours.
func reservedInQuery(query string) bool {
	values, err := url.ParseQuery(query)
	if err != nil {
		return true
	}
	return slices.ContainsFunc([]string{"code", "state", "iss", "error", "error_description", "error_uri", "reason"}, values.Has)
}

// plainPort reports whether a URI has no port, or a port of 1 to 65535 in decimal without
// leading zeros. With any other port, browsers go to another port than it says, or nowhere.
func plainPort(u *url.URL) bool {
	port := u.Port()
	if port == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == port && n > 0
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// Redirects reports whether a client may be answered at a redirect URI. The URI must equal
// a registered one byte by byte, except for the port of a public client's loopback IP
// (RFC 8252 section 7.3).
func Redirects(c oidc.Client, raw string) bool { return MatchesURI(c.RedirectURIs, raw, c.Public()) }

// MatchesURI reports whether a URI equals a registered one byte by byte. With anyPort, the
// port of a registered loopback IP may differ.
func MatchesURI(registered []string, raw string, anyPort bool) bool {
	for _, r := range registered {
		if r == raw || anyPort && sameButPort(r, raw) {
			return true
		}
	}
	return false
}

// sameButPort reports whether raw is a registered http URI of a loopback IP with
// another port.
func sameButPort(registered, raw string) bool {
	r, err := url.Parse(registered)
	if err != nil || r.Scheme != "http" || !isLoopback(r.Hostname()) {
		return false
	}
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Hostname() != r.Hostname() || !plainPort(u) {
		return false
	}
	return raw == "http://"+u.Host+strings.TrimPrefix(registered, "http://"+r.Host)
}

// Differs says how a URI differs from the nearest registered one, such as "the port
// differs", without quoting the registered one.
func Differs(registered []string, raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" {
		return "it is not an absolute URI"
	}
	var nearest []string
	for i, r := range registered {
		known, err := url.Parse(r)
		if err != nil {
			continue
		}
		if d := partsThatDiffer(known, u, r, raw); i == 0 || len(d) < len(nearest) {
			nearest = d
		}
	}
	switch n := len(nearest); n {
	case 0:
		return "nothing is registered"
	case 1:
		if nearest[0] == trailingSlash {
			return "one of the two ends with a slash"
		}
		return "the " + nearest[0] + " differs"
	default:
		return "the " + strings.Join(nearest[:n-1], ", the ") + " and the " + nearest[n-1] + " differ"
	}
}

const trailingSlash = "slash at the end"

func partsThatDiffer(known, u *url.URL, registered, raw string) []string {
	var d []string
	when := func(differ bool, part string) {
		if differ {
			d = append(d, part)
		}
	}
	when(known.Scheme != u.Scheme, "scheme")
	when(known.User.String() != u.User.String(), "user")
	when(known.Hostname() != u.Hostname(), "host")
	when(known.Port() != u.Port(), "port")
	a, b := known.Opaque+known.EscapedPath(), u.Opaque+u.EscapedPath()
	if a != b {
		slash := strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/")
		when(slash, trailingSlash)
		when(!slash, "path")
	}
	when(known.RawQuery != u.RawQuery || known.ForceQuery != u.ForceQuery, "query")
	when(strings.Contains(raw, "#"), "fragment")
	if len(d) == 0 && registered != raw {
		return []string{"spelling"}
	}
	return d
}
