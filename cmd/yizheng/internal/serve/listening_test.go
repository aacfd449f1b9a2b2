package serve

import (
	"slices"
	"testing"
)

func TestNetworks(t *testing.T) {
	got, err := Listening{Network: []string{" 203.0.113.0/24=大厅", ""}}.networks()
	if err != nil || len(got) != 1 || got[0].Name != "大厅" {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := (Listening{Network: []string{"大厅"}}).networks(); err == nil {
		t.Errorf("a name without a network is %v", got)
	}
}

func TestProxies(t *testing.T) {
	got, err := Listening{TrustedProxy: []string{"10.1.2.3/8", " ::1", "::ffff:192.0.2.1"}}.proxies()
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, p := range got {
		texts = append(texts, p.String())
	}
	if !slices.Equal(texts, []string{"10.0.0.0/8", "::1/128", "192.0.2.1/32"}) {
		t.Errorf("got %v", texts)
	}
	for text, taken := range map[string]bool{
		"0.0.0.0/0": false, "::/0": false, "::ffff:0.0.0.0/96": false, "0.0.0.0/1": false, "128.0.0.0/1": false, "10.0.0.0/7": false, "52.0.0.0/8": false,
		"2000::/3": false, "2a00::/16": false, "fc00::/6": false,
		"10.0.0.0/8": true, "172.16.0.0/12": true, "192.168.0.0/16": true, "fc00::/7": true, "104.16.0.0/13": true, "2400:cb00::/32": true, "": true,
	} {
		if got, err := (Listening{TrustedProxy: []string{text}}).proxies(); (err == nil) != taken {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
