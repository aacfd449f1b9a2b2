package command

import (
	"runtime/debug"
	"strings"
)

// ProgramVersion returns the program's version and the commit it was built from.
func ProgramVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	var version strings.Builder
	version.WriteString(OrDash(info.Main.Version))
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			version.WriteString(" " + s.Value)
		}
	}
	return version.String()
}
