package main

import (
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/doctor"
	"yizheng.internal/cmd/yizheng/internal/install"
)

type doctorCmd struct {
	install.Settings
	install.Ephemeral
	install.Messaging
	install.Proofing
	install.Upstreams
	install.Proving
	install.RootStore
	CheckWithin time.Duration `help:"How long reading the database, to see that it is sound, may take; 0: as long as it takes." default:"1m" placeholder:"TIME"`
}

// Run examines the installation.
func (c *doctorCmd) Run(p *command.Process) error {
	return doctor.Examine(p, doctor.Config{
		Settings: c.Settings, Ephemeral: c.Ephemeral, Messaging: c.Messaging, Proofing: c.Proofing, Upstreams: c.Upstreams, Proving: c.Proving, RootStore: c.RootStore, CheckWithin: c.CheckWithin, Unknown: p.Unknown,
	})
}
