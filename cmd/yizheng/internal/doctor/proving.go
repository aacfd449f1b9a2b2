package doctor

import (
	"context"

	"yizheng.internal/cmd/yizheng/internal/install"
)

// proving compares the license types that are believed, and the legal bases that count, with the catalog.
func proving(ctx context.Context, e *examination, in *install.Installation) {
	const about = "proving"
	lawful(ctx, e, in)
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

// lawful compares the legal bases that count with the published items.
func lawful(ctx context.Context, e *examination, in *install.Installation) {
	const about = "proving"
	if in.Outside.Lawful == nil {
		return
	}
	unused, err := in.Library.Offers.Unused(ctx)
	if err != nil {
		e.fail(about, "", "%v", err)
		return
	}
	for _, l := range unused {
		e.warn(about, "doctor.lawful.todo", "doctor.lawful_unused", l.Item, l.Version)
	}
	if len(unused) == 0 {
		e.ok(about, "doctor.lawful_ok", len(in.Outside.Lawful))
	}
}
