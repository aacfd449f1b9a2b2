package main_test

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestNoDemo builds the program as production has it: nothing of the demo is in it, neither
// its packages nor what only they need, and the verb says how to get one.
func TestNoDemo(t *testing.T) {
	t.Parallel()
	const room = "yizheng.internal/cmd/yizheng/internal/demo"
	of := func(tags string) (packages []string, symbols []byte) {
		t.Helper()
		list, err := exec.Command("go", "list", "-deps", "-tags", tags, ".").Output()
		if err != nil {
			t.Fatal(err)
		}
		if symbols, err = exec.Command("go", "tool", "nm", program(t, tags)).Output(); err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(list)), symbols
	}
	packages, symbols := of("")
	if !slices.Contains(packages, room) || !bytes.Contains(symbols, []byte(room+".")) {
		t.Fatal("the demo can't be found where it is: this test sees nothing")
	}
	packages, symbols = of("nodemo")
	for _, p := range packages {
		if strings.HasPrefix(p, room) || strings.HasPrefix(p, "github.com/coreos/go-oidc/") {
			t.Errorf("a build without the demo has %s", p)
		}
	}
	if bytes.Contains(symbols, []byte(room)) {
		t.Error("symbols of the demo are in a build without it")
	}
	for _, args := range [][]string{{"demo"}, {"demo", "--json", "--listen", "localhost:0"}} {
		out, errs, code := runProgram(t, "nodemo", args...)
		if code != 2 || out != "" || !strings.Contains(errs, "nodemo") || strings.Count(errs, "\n") != 1 {
			t.Errorf("%q: exit code %d, %q, %q", args, code, out, errs)
		}
	}
}
