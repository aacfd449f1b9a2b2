package enroll

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"yizheng.internal/oidc/grant"
)

// TestGrantsAreNamed: what operators read names every grant type for which a client can be registered.
func TestGrantsAreNamed(t *testing.T) {
	flag, _ := reflect.TypeFor[clientAddCmd]().FieldByName("Grant")
	texts := map[string]string{"help": flag.Tag.Get("help")}
	for file, key := range map[string]string{"help.zh.txt": "client add --grant", "reasons.zh.txt": "reason.grant_type_unknown"} {
		all, err := os.ReadFile("../texts/" + file)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(all), "\n"+key+" = ")
		texts[file], _, _ = strings.Cut(rest, "\n")
	}
	for where, text := range texts {
		for _, g := range grant.Types(true) {
			if !strings.Contains(text, string(g)) {
				t.Errorf("%s doesn't name %s: %q", where, g, text)
			}
		}
	}
}
