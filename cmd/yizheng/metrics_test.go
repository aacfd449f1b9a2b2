package main_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"yizheng.internal/storage/porttest"
)

// metricsOf returns the metrics of an admin listener, by name and labels.
func metricsOf(t testing.TB, admin string) map[string]float64 {
	t.Helper()
	r, err := http.Get("http://" + admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all[line[:at]] = value
	}
	return all
}

// TestMetrics goes through what people do, and reads what was counted of it.
func TestMetrics(t *testing.T) {
	t.Parallel()
	admin := porttest.FreeAddress(t)
	_, facts, err := startDemo(t, nil, "--listen", "127.0.0.1:0", "--admin-listen", admin)
	if err != nil {
		t.Fatal(err)
	}
	before := metricsOf(t, admin)
	c := newCitizen(t, facts)
	wrong := facts.People[1]
	_, p := c.ask()
	p.Press("submit", "username", wrong.Login, "password", "not the password")

	c.b = newCitizen(t, facts).b
	c.agree()
	_, p = c.consent()
	p.Press("refuse")
	after := metricsOf(t, admin)
	for name, want := range map[string]float64{
		`yizheng_logins_total{method="password",result="ok"}`:             1,
		`yizheng_logins_total{method="password",result="wrong_password"}`: 1,
		`yizheng_logins_total{method="code",result="ok"}`:                 1,
		`yizheng_codes_total{channel="sms",result="sent"}`:                1,
		`yizheng_consents_total{for="login",result="given"}`:              1,
		`yizheng_consents_total{for="login",result="refused"}`:            1,
		`yizheng_consents_total{for="license",result="given"}`:            1,
	} {
		if got := after[name] - before[name]; got != want {
			t.Errorf("%s rose by %v, want %v", name, got, want)
		}
	}
	// The demo issued its samples when it began.
	issued, types := 0.0, 0
	for name, value := range after {
		if strings.HasPrefix(name, "yizheng_licenses_issued_total{") {
			issued, types = issued+value, types+1
		}
	}
	if actions := after[`yizheng_license_actions_total{action="issue",result="ok"}`]; actions < 12 || issued < actions || types < 5 {
		t.Errorf("%v licenses issued, %v by %d types", actions, issued, types)
	}
	year := float64(time.Now().AddDate(0, 6, 0).Unix())
	for _, purpose := range []string{"root", "authority", "status", "attestation"} {
		if at := after[`yizheng_certificate_expiry_timestamp_seconds{purpose="`+purpose+`"}`]; at < year {
			t.Errorf("certificates of %s keys expire at %v", purpose, at)
		}
	}
	for _, name := range []string{
		`yizheng_key_created_timestamp_seconds{purpose="id-token"}`, `yizheng_keys{purpose="authority",state="active"}`,
		`yizheng_revocation_list_expiry_timestamp_seconds{root="root-1"}`, `yizheng_pool_connections{state="most",store="database"}`,
	} {
		if after[name] <= 0 {
			t.Errorf("%s is %v", name, after[name])
		}
	}
	for _, name := range []string{
		`yizheng_pool_connections{state="in_use",store="database"}`, `yizheng_pool_connections{state="idle",store="database"}`,
		`yizheng_pool_waits_total{store="database"}`, `yizheng_pool_wait_seconds_total{store="database"}`,
		`yizheng_ephemeral_evictions_total{part="unopened"}`, `yizheng_ephemeral_evictions_total{part="reserved"}`,
	} {
		if _, ok := after[name]; !ok {
			t.Errorf("there is no %s", name)
		}
	}
	checkRules(t, after)
}

// metricName is a name of ours in an expression.
var metricName = regexp.MustCompile(`yizheng_[a-z_]+`)

// checkRules reads the example of alert rules: each is whole, and asks for metrics
// that there are.
func checkRules(t *testing.T, there map[string]float64) {
	text, err := os.ReadFile("../../deploy/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []struct {
				Alert       string            `yaml:"alert"`
				Expr        string            `yaml:"expr"`
				For         string            `yaml:"for"`
				Labels      map[string]string `yaml:"labels"`
				Annotations map[string]string `yaml:"annotations"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range there {
		name, _, _ = strings.Cut(name, "{")
		names = append(names, name)
	}
	n := 0
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			n++
			if r.Alert == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["summary_zh"] == "" {
				t.Errorf("a rule lacks something: %+v", r)
			}
			if _, err := time.ParseDuration(r.For); r.For != "" && err != nil {
				t.Errorf("%s: for %q", r.Alert, r.For)
			}
			found := metricName.FindAllString(r.Expr, -1)
			for _, name := range found {
				// A counter that nothing was counted in yet isn't there, nor what is of certificates without any.
				if !slices.Contains(names, name) && name != "yizheng_verifications_total" && name != "yizheng_login_revocation_list_expiry_timestamp_seconds" {
					t.Errorf("%s asks for %s, which there isn't", r.Alert, name)
				}
			}
			if len(found) == 0 && !strings.Contains(r.Expr, "up{") {
				t.Errorf("%s asks for nothing: %s", r.Alert, r.Expr)
			}
			if strings.Count(r.Expr, "(") != strings.Count(r.Expr, ")") || strings.Count(r.Expr, "{") != strings.Count(r.Expr, "}") {
				t.Errorf("%s: brackets of %s", r.Alert, r.Expr)
			}
		}
	}
	if n < 10 {
		t.Error(fmt.Sprint(n, " rules"))
	}
}
