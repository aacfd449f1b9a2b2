package portal

import (
	"net/http"
	"time"

	"yizheng.internal/api/pages"
	"yizheng.internal/oidc"
)

// Private is a page of another room for somebody who is logged in with two factors, and with an identity
// that is proofed as well. With an age they logged in, as well as they can, no longer ago than that. It
// stands in the menu under the account.
func (p *Portal) Private(age time.Duration, h func(v *pages.Visit, who oidc.Session) error) http.Handler {
	n := needs{assurance: seesLicenses, back: securityPath}
	if age > 0 {
		n = changes(age)
		n.assurance = seesLicenses
	}
	return p.private(n, "security", h)
}
