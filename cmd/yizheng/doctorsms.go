package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"yizheng.internal/api"
)

// gatewaySoon is how long before its end a gateway's certificate is worth a word.
const gatewaySoon = 14 * 24 * time.Hour

// gateway looks at the SMS gateway, as far as that goes without sending a message.
func (e *examination) gateway(ctx context.Context) {
	const about = "sms"
	sender, err := e.sender()
	sms, ok := sender.(*api.SMS)
	switch {
	case err != nil:
		e.fail(about, "see yizheng serve --help", "%v", err)
		return
	case !ok:
		e.warn(about, "give doctor the same --sms-url and --sms-secret-file as the service, if that has them", "no SMS gateway is set: nobody gets a code, so there is no second factor, and no license is released in a login")
		return
	}
	probe, err := sms.Probe(ctx)
	switch {
	case errors.Is(err, api.ErrForbiddenAddress):
		e.fail(about, "--sms-private, if it is meant to be there", "the gateway's name leads to this machine or a private network")
		return
	case err != nil:
		e.fail(about, "check --sms-url, the network, and that the gateway's certificate is trusted here: nobody gets a code without it", "%v", err)
		return
	}
	switch status := probe.Status; {
	case status == http.StatusUnauthorized:
		e.fail(about, "check --sms-secret-file", "the gateway answers, and refuses the secret (status %d)", status)
	case status == http.StatusForbidden:
		e.warn(about, "check --sms-secret-file, and whether the gateway lets this machine in", "the gateway answers with status %d to a question that sends nothing", status)
	case status == http.StatusNotFound || status == http.StatusGone || status >= 300 && status < 400:
		e.warn(about, "check the path in --sms-url: the service follows no redirect", "the gateway answers with status %d", status)
	case status >= 500 && status != http.StatusNotImplemented:
		e.warn(about, "ask whoever runs the gateway", "the gateway answers with status %d", status)
	default:
		e.ok(about, "the gateway answers (status %d); not tried, for nothing is sent: whether it takes the secret, and whether messages arrive", status)
	}
	if left := probe.Expires.Sub(e.now); !probe.Expires.IsZero() && left < gatewaySoon {
		e.warn(about, "tell whoever runs the gateway", "the gateway's certificate expires on %s", probe.Expires.Format(time.DateOnly))
	}
}
