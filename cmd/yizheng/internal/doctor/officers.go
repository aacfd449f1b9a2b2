package doctor

import (
	"context"
	"strings"

	"yizheng.internal/cmd/yizheng/internal/install"
)

// vacant names participants that have officers and nobody who appoints and dismisses them.
func vacant(ctx context.Context, e *examination, in *install.Installation) {
	const about = "officers"
	all, err := in.People.Officers.Vacant(ctx)
	switch {
	case err != nil:
		e.fail(about, "doctor.check_database.todo", "%v", err)
	case len(all) > 0:
		more := ""
		if len(all) > install.RefusedShown {
			all, more = all[:install.RefusedShown], e.words.Say("doctor.altered.more")
		}
		e.warn(about, "doctor.vacant.todo", "doctor.vacant", strings.Join(all, ", ")+more)
	default:
		e.ok(about, "doctor.posts")
	}
}
