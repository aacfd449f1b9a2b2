package doctor

import (
	"context"
	"time"

	"yizheng.internal/api/outbound"
	"yizheng.internal/oidc/identity/certificate"
)

// certificates looks at the revocation lists of the CAs with whose certificates people log in, and fetches those
// that have an address.
func certificates(ctx context.Context, e *examination) {
	const about = "certificates"
	all, err := e.Authorities()
	if err != nil {
		e.fail(about, "doctor.see_serve.todo", "%v", err)
		return
	}
	if len(all) == 0 {
		return
	}
	has := map[string]bool{}
	for _, l := range certificate.Examine(ctx, all, outbound.FetchList) {
		has[l.Authority] = has[l.Authority] || l.Problem == ""
		switch {
		case l.Problem != "":
			e.fail(about, "doctor.certificates.todo", "doctor.certificates_fails", l.Authority, l.At, l.Problem)
		case l.Left < 0:
			e.fail(about, "doctor.certificates.todo", "doctor.certificates_old", l.Issuer, -l.Left.Round(time.Minute))
		case l.Left < 6*time.Hour:
			e.warn(about, "doctor.certificates.todo", "doctor.certificates_left", l.Issuer, l.Entries, l.Left.Round(time.Minute))
		default:
			e.ok(about, "doctor.certificates_left", l.Issuer, l.Entries, l.Left.Round(time.Minute))
		}
	}
	for _, a := range all {
		if !has[a.ID] {
			e.fail(about, "doctor.certificates.todo", "doctor.certificates_none", a.ID)
		}
	}
}
