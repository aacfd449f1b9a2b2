package scan

import (
	"net/netip"
	"strings"
	"testing"
)

func TestNetworks(t *testing.T) {
	ns, err := ParseNetworks([]string{"203.0.113.0/24=市民中心", " 203.0.113.64/26 = 市民中心一楼大厅 ", "2001:db8::/32=政务外网"})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{
		"203.0.113.1": "市民中心", "203.0.113.70": "市民中心一楼大厅", "::ffff:203.0.113.70": "市民中心一楼大厅", "203.0.114.1": "", "2001:db8:1::2": "政务外网", "2001:db9::": "",
	} {
		if got := ns.Name(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is %q, want %q", addr, got, want)
		}
	}
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"203.0.113.1", "203.0.113.2", true},
		{"203.0.113.1", "203.0.113.70", false}, // the hall, and what is around it
		{"198.51.100.1", "198.51.100.1", true},
		{"198.51.100.1", "198.51.100.2", false},
		{"2001:db9:0:1::1", "2001:db9:0:2::1", true}, // one household
		{"2001:db9:0:1::1", "2001:db9:1:1::1", false},
		{"198.51.100.1", "2001:db9::1", false},
	} {
		if got := ns.Same(netip.MustParseAddr(tt.a), netip.MustParseAddr(tt.b)); got != tt.want {
			t.Errorf("%s and %s are the same network: %v", tt.a, tt.b, got)
		}
	}
	if ns.Same(netip.Addr{}, netip.Addr{}) || ns.Name(netip.Addr{}) != "" {
		t.Error("no address has a network")
	}
}

func TestParseNetworksRefuses(t *testing.T) {
	for _, text := range []string{
		"", "203.0.113.0/24", "203.0.113.0/24=", "203.0.113.1/24=大厅", "203.0.113.1=大厅", "0.0.0.0/0=大厅", "::ffff:203.0.113.0/120=大厅", "大厅=203.0.113.0/24",
		"203.0.113.0/24=大\n厅", "203.0.113.0/24=" + strings.Repeat("厅", 41), "203.0.113.0/24=\xff", "203.0.113.0/24=大厅,一楼",
	} {
		if ns, err := ParseNetworks([]string{text}); err == nil {
			t.Errorf("%q is read as %v", text, ns)
		}
	}
	if _, err := ParseNetworks([]string{"203.0.113.0/24=甲", "203.0.113.0/24=乙"}); err == nil {
		t.Error("a network has two names")
	}
}

// FuzzNetworks: what is read has one name for each address, and reads the same again.
func FuzzNetworks(f *testing.F) {
	f.Add("203.0.113.0/24=市民中心")
	f.Add("2001:db8::/32=x=y")
	f.Fuzz(func(t *testing.T, text string) {
		ns, err := ParseNetworks([]string{text})
		if err != nil {
			return
		}
		again, err := ParseNetworks([]string{ns[0].Prefix.String() + "=" + ns[0].Name})
		if err != nil || again[0] != ns[0] || ns.Name(ns[0].Prefix.Addr()) != ns[0].Name {
			t.Errorf("%q is %v, and then %v, %v", text, ns, again, err)
		}
	})
}
