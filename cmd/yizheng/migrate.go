package main

import (
	"errors"
	"log/slog"
	"os"
	"strconv"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
)

type migrateCmd struct {
	settings
	Check bool `help:"Change nothing; exit code 1 if the schema is not the one this program needs."`
}

// Run migrates the database, or only looks.
func (c *migrateCmd) Run(p *process) (err error) {
	log := slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if c.Check {
		if err := c.present(); err != nil {
			return err
		}
	} else if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return err
	}
	in, err := c.openDatabase(p.ctx, log, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	have, want, err := in.db.Admin().SchemaVersion(p.ctx)
	if err != nil {
		return err
	}
	switch {
	case c.Check && have != want:
		return in.checkSchema(p.ctx)
	case have == want:
		p.print("migrate.same", have)
		return nil
	}
	now, err := in.db.Admin().Migrate(p.ctx)
	if err != nil {
		return err
	}
	err = oidc.Recorder(in.db.Provider())(p.ctx, identity.Fact{
		Action: oidc.ActionMigrate, Actor: p.actor, Object: strconv.FormatInt(int64(now), 10), Result: oidc.ResultOK,
	})
	if err != nil {
		return err
	}
	p.print("migrate.done", have, now)
	return nil
}
