package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/texts"
)

type versionCmd struct{}

// shownModules are the libraries whose versions matter to who trusts a signature.
var shownModules = []string{
	"github.com/emmansun/gmsm", "github.com/tjfoc/gmsm", "github.com/golang-jwt/jwt/v5", "github.com/go-webauthn/webauthn", "golang.org/x/crypto",
	"github.com/zitadel/oidc/v3", "github.com/ncruces/go-sqlite3", "github.com/jackc/pgx/v5",
}

// Run prints the versions.
func (*versionCmd) Run(p *command.Process) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return texts.Refuse("version.unknown")
	}
	fmt.Fprintf(p.Out, "%s %s\n", info.Main.Path, command.OrDash(info.Main.Version))
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" || s.Key == "vcs.time" || s.Key == "vcs.modified" || s.Key == "-tags" {
			fmt.Fprintf(p.Out, "  %s %s\n", s.Key, s.Value)
		}
	}
	fmt.Fprintf(p.Out, "%s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, m := range info.Deps {
		if slices.Contains(shownModules, m.Path) {
			fmt.Fprintf(p.Out, "  %s %s\n", m.Path, m.Version)
		}
	}
	return nil
}
