package doctor

import (
	"context"

	"yizheng.internal/cmd/yizheng/internal/install"
)

// proving compares the license types that are believed with the catalog.
func proving(ctx context.Context, e *examination, in *install.Installation) {
	const about = "proving"
	if e.ProvingTypes == "" || in.Outside.Believed == nil {
		return
	}
	found, err := in.Library.Relations.Examine(ctx)
	if err != nil {
		e.fail(about, "", "%v", err)
		return
	}
	for _, f := range found {
		e.warn(about, "doctor.proving.todo", "doctor.proving_"+string(f.Trouble), f.Type)
	}
	if len(found) == 0 {
		e.ok(about, "doctor.proving_ok", len(in.Outside.Believed))
	}
}
