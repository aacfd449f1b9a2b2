package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unshownModules are those whose version says nothing of a signature, a database or what a
// stranger may send: they are in the list of components.
var unshownModules = []string{
	"github.com/alecthomas/kong", "github.com/danielgtaylor/huma/v2", "github.com/go-json-experiment/json", "github.com/goccy/go-yaml",
	"github.com/piglig/go-qr", "github.com/pquerna/otp", "github.com/pressly/goose/v3", "github.com/prometheus/client_golang", "github.com/redis/go-redis/v9", "github.com/santhosh-tekuri/jsonschema/v6",
	"github.com/schollz/progressbar/v3", "github.com/xuri/excelize/v2", "golang.org/x/net", "golang.org/x/oauth2", "golang.org/x/term", "golang.org/x/text", "golang.org/x/time",
	// Of tests alone.
	"github.com/chromedp/cdproto", "github.com/chromedp/chromedp", "github.com/fxamacker/cbor/v2", "github.com/coreos/go-oidc/v3", "github.com/makiuchi-d/gozxing", "rsc.io/script",
}

// TestShownModules: each module that go.mod asks for is shown by yizheng version, or in the
// list above: so it was decided when it came, and a new major version isn't forgotten.
func TestShownModules(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	required := regexp.MustCompile(`(?m)^(?:require )?\s*([a-z0-9.-]+\.[a-z]+/\S+|[a-z.]+\.io/\S+) v\S+$`)
	var direct []string
	for _, m := range required.FindAllStringSubmatch(string(text), -1) {
		direct = append(direct, m[1])
		if shown := slices.Contains(shownModules, m[1]); shown == slices.Contains(unshownModules, m[1]) {
			t.Errorf("%s must stand in shownModules or in unshownModules, and not in both", m[1])
		}
	}
	for _, name := range slices.Concat(shownModules, unshownModules) {
		if !slices.Contains(direct, name) {
			t.Errorf("go.mod doesn't ask for %s", name)
		}
	}
	if strings.Count(string(text), "// indirect") == 0 || len(direct) < 20 {
		t.Errorf("%d modules were found", len(direct))
	}
}
