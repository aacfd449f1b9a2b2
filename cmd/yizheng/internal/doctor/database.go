package doctor

import (
	"context"
	"errors"
	"strings"
	"time"

	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/storage"
)

// writes looks whether the database takes writes. A standby takes none.
func (e *examination) writes(ctx context.Context, in *install.Installation) {
	const about = "database"
	if server, ok := in.DB.Admin().(interface {
		Standby(context.Context) (bool, error)
	}); ok {
		switch standby, err := server.Standby(ctx); {
		case err != nil:
			e.fail(about, "doctor.check_database.todo", "%v", err)
			return
		case standby:
			e.fail(about, "doctor.standby.todo", "doctor.standby")
			return
		}
	}
	if err := in.DB.Admin().Ping(ctx, true); err != nil {
		e.fail(about, "doctor.disk_rights.todo", "doctor.no_writes", err)
	} else {
		e.ok(about, "doctor.writes")
	}
}

// soundness reads the whole database, as far as there is time.
func (e *examination) soundness(ctx context.Context, in *install.Installation) {
	const about = "database"
	if e.CheckWithin > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, e.CheckWithin)
		defer cancel()
	}
	err := in.DB.Admin().Check(ctx)
	switch {
	case err == nil:
		e.ok(about, "doctor.sound")
	case storage.IsCorrupt(err):
		e.fail(about, "doctor.corrupt.todo", "%v", err)
	case errors.Is(err, context.DeadlineExceeded):
		e.warn(about, "doctor.time.todo", "doctor.partly_sound", e.CheckWithin)
	default:
		e.fail(about, "doctor.disk_rights.todo", "%v", err)
	}
}

// redis looks at the store for what may be lost.
func (e *examination) redis(ctx context.Context, in *install.Installation) {
	const about = "redis"
	if e.RedisURL == "" {
		e.ok(about, "doctor.memory")
	}
	err := in.OpenEphemeral(ctx, e.RedisURL, false) // which does what logins do, also writes
	differs := false
	if err == nil && e.RedisURL != "" {
		differs, err = otherStore(ctx, in)
	}
	switch {
	case err != nil:
		e.fail(about, "doctor.redis.todo", "%v", err)
	case differs:
		e.fail(about, "doctor.redis_differs.todo", "doctor.redis_differs")
	case e.RedisURL != "":
		e.ok(about, "doctor.redis")
	}
}

// otherStore reports whether the last node that compared stores has another one
// than this command was given.
func otherStore(ctx context.Context, in *install.Installation) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	own, err := install.StoreName(ctx, in.Kept)
	if err != nil {
		return false, err
	}
	stored, err := in.DB.Licenses().ClaimSetting(ctx, install.KeptSetting, own+" doctor")
	name, _, _ := strings.Cut(stored, " ")
	return err == nil && name != own, err
}

// durability asks a server for the settings that decide whether what was
// answered survives a crash. SQLite's are set by the driver.
func (e *examination) durability(ctx context.Context, in *install.Installation) {
	server, ok := in.DB.Admin().(interface {
		SynchronousCommit(context.Context) (string, error)
		FSync(context.Context) (string, error)
		FullPageWrites(context.Context) (string, error)
		DataChecksums(context.Context) (string, error)
	})
	if !ok {
		return
	}
	const about = "durability"
	for _, setting := range []struct {
		name, todo string
		read       func(context.Context) (string, error)
		bad        []string
		grade      func(about, todo, key string, args ...any)
	}{
		{"synchronous_commit", "doctor.synchronous_commit.todo", server.SynchronousCommit, []string{"off", "local"}, e.fail},
		{"fsync", "doctor.fsync.todo", server.FSync, []string{"off"}, e.fail},
		{"data_checksums", "doctor.data_checksums.todo", server.DataChecksums, []string{"off"}, e.warn},
		{"full_page_writes", "doctor.full_page_writes.todo", server.FullPageWrites, []string{"off"}, e.warn},
	} {
		value, err := setting.read(ctx)
		bad := false
		for _, b := range setting.bad {
			bad = bad || value == b
		}
		switch {
		case err != nil:
			e.fail(about, "doctor.check_database.todo", "%v", err)
		case bad:
			setting.grade(about, setting.todo, "doctor.setting", setting.name, value)
		default:
			e.ok(about, "doctor.setting", setting.name, value)
		}
	}
}
