package install

import (
	"net"
	"strings"
	"testing"
	"time"
)

func TestPublicURL(t *testing.T) {
	for _, test := range []struct{ name, given, listen, want, wrong string }{
		{"default on loopback", "", "127.0.0.1:8080", "http://127.0.0.1:8080", ""},
		{"default by name", "", "localhost:8080", "http://localhost:8080", ""},
		{"default on IPv6 loopback", "", "[::1]:80", "http://[::1]", ""},
		{"no default for all addresses", "", "0.0.0.0:8080", "", "is missing"},
		{"no default for another's sight", "", "192.0.2.1:8080", "", "is missing"},
		{"https", "https://license.example.gov", "0.0.0.0:8080", "https://license.example.gov", ""},
		{"http on loopback", "http://localhost:8080", "0.0.0.0:8080", "http://localhost:8080", ""},
		{"http elsewhere", "http://license.example.gov", "127.0.0.1:1", "", "https://"},
		{"a name that only begins so", "http://127.0.0.1.example.gov", "127.0.0.1:1", "", "https://"},
		{"slash at the end", "https://license.example.gov/", "127.0.0.1:1", "https://license.example.gov", ""},
		{"capitals", "HTTPS://License.Example.GOV", "127.0.0.1:1", "https://license.example.gov", ""},
		{"the default port", "https://license.example.gov:443", "127.0.0.1:1", "https://license.example.gov", ""},
		{"the other default port", "http://localhost:80", "127.0.0.1:1", "http://localhost", ""},
		{"no port after the colon", "https://license.example.gov:", "127.0.0.1:1", "https://license.example.gov", ""},
		{"another port", "https://license.example.gov:08443", "127.0.0.1:1", "https://license.example.gov:8443", ""},
		{"an IPv6 address", "http://[0:0:0:0:0:0:0:1]:8080", "127.0.0.1:1", "http://[::1]:8080", ""},
		{"Punycode", "https://xn--fiqs8s.xn--55qw42g.cn", "127.0.0.1:1", "https://xn--fiqs8s.xn--55qw42g.cn", ""},
		{"an IDN", "https://一证.example", "127.0.0.1:1", "", "xn--"},
		{"an IDN in full width", "https://ｌicense.example", "127.0.0.1:1", "", "xn--"},
		{"a path", "https://gov.example/yizheng", "127.0.0.1:1", "", "path"},
		{"a path that is none", "https://gov.example/.", "127.0.0.1:1", "", "path"},
		{"an empty query", "https://gov.example?", "127.0.0.1:1", "", "query"},
		{"an empty fragment", "https://gov.example#", "127.0.0.1:1", "", "fragment"},
		{"port 0", "https://gov.example:0", "127.0.0.1:1", "", "port"},
		{"a large port", "https://gov.example:65536", "127.0.0.1:1", "", "port"},
		{"a dot at the end", "https://gov.example.", "127.0.0.1:1", "", "name of a host"},
		{"no name", "https://-gov-.example", "127.0.0.1:1", "", "name of a host"},
		{"a zone", "http://[fe80::1%25eth0]", "127.0.0.1:1", "", "https://"},
		{"with a password", "https://a:b@license.example.gov", "127.0.0.1:1", "", "user"},
		{"with a query", "https://license.example.gov?x", "127.0.0.1:1", "", "query"},
		{"no URL", "license.example.gov", "127.0.0.1:1", "", "absolute"},
	} {
		t.Run(test.name, func(t *testing.T) {
			address, err := net.ResolveTCPAddr("tcp", test.listen)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Settings{PublicURL: test.given}.PublicURLAt(test.listen, address)
			switch {
			case test.wrong == "" && (err != nil || got != test.want):
				t.Errorf("got %q, %v", got, err)
			case test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)):
				t.Errorf("got %q, %v, want an error with %q", got, err, test.wrong)
			}
		})
	}
}

func TestLastEvent(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, seqs := range [][]int64{nil, {1}, {2}, {1, 2}, {1, 2, 3, 7}, {5, 6, 100}, {1, 1000}, {1 << 40}} {
		reads := 0
		got, err := last(func(after int64) (time.Time, bool, error) {
			reads++
			for _, s := range seqs {
				if s > after {
					return start.Add(time.Duration(s)), true, nil
				}
			}
			return time.Time{}, false, nil
		})
		var want time.Time
		if n := len(seqs); n > 0 {
			want = start.Add(time.Duration(seqs[n-1]))
		}
		if err != nil || !got.Equal(want) || reads > 100 {
			t.Errorf("%v: %v after %d reads, %v", seqs, got, reads, err)
		}
	}
}

// FuzzConfig: whatever stands in the file, there is an answer.
func FuzzConfig(f *testing.F) {
	f.Add([]byte("listen: 127.0.0.1:8080\ntrusted-proxy: [10.0.0.0/8]\n"))
	f.Add([]byte("a: &x 1\nb: *x\n"))
	f.Add([]byte("? {a: b}\n: c\n"))
	f.Add([]byte("a: |\n  text\n---\nb: 1\n"))
	f.Add([]byte("database-url: \"postgres://u:p@h\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		settings, err := parseConfig(text)
		if err != nil && len(settings) > 0 {
			t.Error("both settings and an error")
		}
		for _, s := range settings {
			if s.line < 1 {
				t.Errorf("setting %q stands in line %d", s.key, s.line)
			}
		}
	})
}
