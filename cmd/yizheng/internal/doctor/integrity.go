package doctor

import (
	"context"
	"errors"

	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/signing/highwater"
)

// integrity compares the database with what this node saw of it.
func (e *examination) integrity(ctx context.Context, in *install.Installation) {
	const about = "integrity"
	w, err := in.HighWater()
	if err == nil {
		if e.CheckWithin > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, e.CheckWithin)
			defer cancel()
		}
		err = w.Compare(ctx)
	}
	lists, failed := in.Library.Lists().Losses(ctx)
	for _, list := range lists {
		for _, one := range list.Lines() {
			e.fail(about, "doctor.lost.todo", "%s", one)
		}
	}
	if failed != nil {
		e.fail(about, "doctor.check_database.todo", "%v", failed)
	}
	switch {
	case errors.Is(err, highwater.ErrLost):
		for _, one := range w.Findings() {
			e.fail(about, "doctor.lost.todo", "%s", one)
		}
	case err != nil:
		e.fail(about, "doctor.check_database.todo", "%v", err)
	default:
		switch s := w.Status(); {
		case s.Full:
			e.warn(about, "doctor.seen_full.todo", "doctor.seen_full", s.Records, s.Events)
		case s.Checked.IsZero():
			e.ok(about, "doctor.unseen")
		default:
			e.ok(about, "doctor.seen", s.Records, s.Events)
		}
	}
}
