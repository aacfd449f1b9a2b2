package main

import (
	"errors"
	"os"
	"strconv"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/oidc"
	"yizheng.internal/signing/journal"
)

type migrateCmd struct {
	install.Settings
	Check bool `help:"Change nothing; exit code 1 if the schema is not the one this program needs."`
}

// Run migrates the database, or only looks.
func (c *migrateCmd) Run(p *command.Process) (err error) {
	log := command.Warnings(p.Err)
	if c.Check {
		if err := c.Present(); err != nil {
			return err
		}
	} else if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return err
	}
	in, err := c.OpenDatabase(p.Ctx, log, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	have, want, err := in.DB.Admin().SchemaVersion(p.Ctx)
	if err != nil {
		return err
	}
	switch {
	case c.Check && have != want:
		return in.CheckSchema(p.Ctx)
	case have == want:
		p.Print("migrate.same", have)
		return nil
	}
	now, err := in.DB.Admin().Migrate(p.Ctx)
	if err != nil {
		return err
	}
	err = oidc.NewRecorder(in.DB.Journal(), nil).Record(p.Ctx, oidc.Actor{ID: p.Actor}.Did(journal.ActionMigrate, strconv.FormatInt(int64(now), 10), journal.ResultOK))
	if err != nil {
		return err
	}
	p.Print("migrate.done", have, now)
	return nil
}
