package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
)

type versionCmd struct{}

// shownModules are the libraries whose versions matter to who trusts a signature.
var shownModules = []string{
	"github.com/emmansun/gmsm", "github.com/tjfoc/gmsm", "github.com/golang-jwt/jwt/v5", "golang.org/x/crypto",
	"github.com/zitadel/oidc/v3", "github.com/ncruces/go-sqlite3", "github.com/jackc/pgx/v5",
}

// Run prints the versions.
func (*versionCmd) Run(p *process) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return refuse("version.unknown")
	}
	fmt.Fprintf(p.out, "%s %s\n", info.Main.Path, orDash(info.Main.Version))
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" || s.Key == "vcs.time" || s.Key == "vcs.modified" || s.Key == "-tags" {
			fmt.Fprintf(p.out, "  %s %s\n", s.Key, s.Value)
		}
	}
	fmt.Fprintf(p.out, "%s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, m := range info.Deps {
		if slices.Contains(shownModules, m.Path) {
			fmt.Fprintf(p.out, "  %s %s\n", m.Path, m.Version)
		}
	}
	return nil
}
