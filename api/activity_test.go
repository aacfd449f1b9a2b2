package api

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// A login at a computer by a phone is counted as a login, though no factor is proved by it.
func TestScansAreCounted(t *testing.T) {
	a, all := NewActivity(), prometheus.NewRegistry()
	all.MustRegister(a.collectors()...)
	a.Count("login.scan", "ok", "")
	a.Count("login.scan", "phone_session_over", "")
	found, err := all.Gather()
	if err != nil || len(found) != 1 || found[0].GetName() != "yizheng_logins_total" {
		t.Fatalf("counted: %v, %v", found, err)
	}
	for i, want := range []string{"ok", "phone_session_over"} {
		m := found[0].GetMetric()[i]
		if l := m.GetLabel(); l[0].GetValue() != "scan" || l[1].GetValue() != want || m.GetCounter().GetValue() != 1 {
			t.Errorf("counted: %v", m)
		}
	}
}
