package api

import (
	"maps"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/signing/journal"
)

// Activity counts what people and departments do, from the events of it. No label
// holds anything that a caller chose freely, and none takes more than a few hundred
// values: a result is a reason code, a type one that was published here.
type Activity struct {
	logins, codes, consents, licenses, issued *prometheus.CounterVec

	tries map[journal.Action]string // actions that are tries to prove a factor, with what they are called here
	sends map[journal.Action]string // actions that send what a factor is proved with, with the channel

	mu    sync.Mutex
	types map[string]bool // that have a label of their own
}

// maxTypes is how many types are counted apart; all others are "other".
const maxTypes = 200

// NewActivity returns one that has counted nothing.
func NewActivity() *Activity {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	a := &Activity{
		logins: counter("yizheng_logins_total", "Tries to log in, by method (password; confirm: by a code because there were many tries; challenge: "+
			"such a code was asked for; code: the second factor) and result (ok, or the reason code).", "method", "result"),
		codes: counter("yizheng_codes_total", "One-time codes, by channel and result: sent, or the reason code why not.", "channel", "result"),
		consents: counter("yizheng_consents_total", "Consents, by what for (login: who somebody is, and the licenses that were asked for with it; license: use of licenses) "+
			"and result: given, refused, withdrawn, failed.", "for", "result"),
		licenses: counter("yizheng_license_actions_total", "What was done to licenses, by action (issue, replace, suspend, resume, end, read, redeem, …) and result (ok, replayed, or the reason code).", "action", "result"),
		issued:   counter("yizheng_licenses_issued_total", "Versions of licenses that were issued or replaced, by type; the 201st type and on are other.", "type"),
		types:    map[string]bool{}, tries: map[journal.Action]string{}, sends: map[journal.Action]string{},
	}
	for _, d := range factor.All() {
		maps.Copy(a.tries, d.Tries)
		if d.Sends != "" {
			a.sends[d.Sends] = d.Channel
		}
	}
	a.tries[journal.ActionLoginScan] = "scan" // no factor: what the phone's were is counted there
	return a
}

func (a *Activity) collectors() []prometheus.Collector {
	return []prometheus.Collector{a.logins, a.codes, a.consents, a.licenses, a.issued}
}

// saidNo are results of a consent by which the person refused.
var saidNo = map[string]bool{"consent_refused": true, "holder_chose_paper": true}

// Count counts an event by its action and result; licenseType is that of a license
// that was changed, else empty.
func (a *Activity) Count(action, result, licenseType string) {
	if result == "begun" {
		return
	}
	if method := a.tries[journal.Action(action)]; method != "" {
		a.logins.WithLabelValues(method, result).Inc()
		return
	}
	if channel := a.sends[journal.Action(action)]; channel != "" {
		if result == "ok" {
			result = "sent"
		}
		a.codes.WithLabelValues(channel, result).Inc()
		return
	}
	switch action {
	case "consent.decide":
		a.consents.WithLabelValues("login", consentResult(action, result)).Inc()
	case "consent.end":
		a.consents.WithLabelValues("login", "withdrawn").Inc()
	case "grant.agree", "grant.withdraw":
		a.consents.WithLabelValues("license", consentResult(action, result)).Inc()
	default:
		if action, ok := strings.CutPrefix(action, "license."); ok {
			a.licenses.WithLabelValues(action, result).Inc()
			if licenseType != "" && (action == "issue" || action == "replace") {
				a.issued.WithLabelValues(a.typeLabel(licenseType)).Inc()
			}
		}
	}
}

func consentResult(action, result string) string {
	switch {
	case saidNo[result]:
		return "refused"
	case result != "ok":
		return "failed"
	case action == "grant.withdraw":
		return "withdrawn"
	}
	return "given"
}

// typeLabel returns a type's label.
func (a *Activity) typeLabel(code string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.types[code] {
		if len(a.types) >= maxTypes {
			return "other"
		}
		a.types[code] = true
	}
	return code
}
