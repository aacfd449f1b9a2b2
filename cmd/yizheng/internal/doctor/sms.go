package doctor

import (
	"context"
	"errors"
	"net/http"
	"time"

	"yizheng.internal/api/outbound"
	"yizheng.internal/cmd/yizheng/internal/texts"
)

// gatewaySoon is how long before its end a gateway's certificate is worth a word.
const gatewaySoon = 14 * 24 * time.Hour

// gateway looks at the SMS gateway, as far as that goes without sending a message.
func (e *examination) gateway(ctx context.Context) {
	const about = "sms"
	sender, err := e.Sender()
	sms, ok := sender.(*outbound.SMS)
	switch {
	case err != nil:
		e.fail(about, "doctor.see_serve.todo", "%v", err)
		return
	case !ok:
		e.warn(about, "doctor.no_sms.todo", "doctor.no_sms")
		return
	}
	probe, err := sms.Probe(ctx)
	switch {
	case errors.Is(err, outbound.ErrForbiddenAddress):
		e.fail(about, "doctor.sms_private.todo", "doctor.sms_private")
		return
	case err != nil:
		e.fail(about, "doctor.sms.todo", "%v", err)
		return
	}
	switch status := probe.Status; {
	case status == http.StatusUnauthorized:
		e.fail(about, "doctor.sms_secret.todo", "doctor.sms_refuses", status)
	case status == http.StatusForbidden:
		e.warn(about, "doctor.sms_forbids.todo", "doctor.sms_forbids", status)
	case status == http.StatusNotFound || status == http.StatusGone || status >= 300 && status < 400:
		e.warn(about, "doctor.sms_path.todo", "doctor.sms_status", status)
	case status >= 500 && status != http.StatusNotImplemented:
		e.warn(about, "doctor.sms_ask.todo", "doctor.sms_status", status)
	default:
		e.ok(about, "doctor.sms_ok", status)
	}
	if left := probe.Expires.Sub(e.now); !probe.Expires.IsZero() && left < gatewaySoon {
		e.warn(about, "doctor.sms_tell.todo", "doctor.sms_expires", texts.Day(probe.Expires))
	}
}
