package doctor

import (
	"context"
	"errors"
	"net/http"

	"yizheng.internal/api/outbound"
	"yizheng.internal/cmd/yizheng/internal/texts"
)

// proofing looks at the system that confirms who somebody is, as far as that goes without asking about
// anybody.
func (e *examination) proofing(ctx context.Context) {
	const about = "proofing"
	proofer, err := e.Proofer()
	system, ok := proofer.(*outbound.Proofing)
	switch {
	case err != nil:
		e.fail(about, "doctor.see_serve.todo", "%v", err)
		return
	case !ok:
		e.ok(about, "doctor.no_proofing")
		return
	}
	probe, err := system.Probe(ctx)
	switch status := probe.Status; {
	case errors.Is(err, outbound.ErrForbiddenAddress):
		e.fail(about, "doctor.proofing_private.todo", "doctor.proofing_private")
		return
	case err != nil:
		e.fail(about, "doctor.proofing.todo", "%v", err)
		return
	case status == http.StatusUnauthorized:
		e.fail(about, "doctor.proofing_secret.todo", "doctor.proofing_refuses", status)
	case status == http.StatusForbidden || status == http.StatusNotFound || status == http.StatusGone || status >= 300 && status < 400 ||
		status >= 500 && status != http.StatusNotImplemented:
		e.warn(about, "doctor.proofing.todo", "doctor.proofing_status", status)
	default:
		e.ok(about, "doctor.proofing_ok", status)
	}
	if left := probe.Expires.Sub(e.now); !probe.Expires.IsZero() && left < gatewaySoon {
		e.warn(about, "doctor.proofing_tell.todo", "doctor.proofing_expires", texts.Day(probe.Expires))
	}
}
