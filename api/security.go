package api

import (
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// securityPath is where people look for a contact when they have found a weakness (RFC 9116).
const securityPath = "/.well-known/security.txt"

// securityLife is how long security.txt is valid. RFC 9116 recommends less than a year.
const securityLife = 90 * 24 * time.Hour

// security says whom to tell of a weakness.
func (s *Server) security(w http.ResponseWriter, _ *http.Request) error {
	return document(w, "text/plain; charset=utf-8", fmt.Appendf(nil, "Contact: %s\nExpires: %s\nPreferred-Languages: zh, en\nCanonical: %s\n",
		s.c.SecurityContact, time.Now().UTC().Add(securityLife).Truncate(24*time.Hour).Format(time.RFC3339), s.c.Issuer+securityPath))
}

// CheckSecurityContact checks a contact for security.txt: a URI with mailto, https or
// tel (RFC 9116 section 2.5.3).
func CheckSecurityContact(contact string) error {
	u, err := url.Parse(contact)
	plain := len(contact) <= 512
	for _, c := range []byte(contact) {
		plain = plain && c > ' ' && c <= '~'
	}
	good := err == nil && (u.Scheme == "https" && u.Host != "" || (u.Scheme == "mailto" || u.Scheme == "tel") && u.Opaque != "")
	if !plain || !good {
		return fmt.Errorf("the contact for security.txt must be a URI such as mailto:security@example.gov, https://… or tel:+86-…")
	}
	return nil
}
