//go:build !nodemo

package main

import (
	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/demo"
)

// demoCmd has no settings: a demo must never begin in a directory that the
// environment names for the real service.
type demoCmd struct {
	Listen        string   `help:"Address to listen on; port 0 takes a free one. On loopback it is called localhost, and the departments 127.0.0.1, so that they are different sites." default:"localhost:8080"`
	AdminListen   string   `help:"Address of the admin listener." default:"127.0.0.1:0"`
	PublicURL     string   `name:"public-url" help:"Public URL of the service, if a proxy shows the demo elsewhere." placeholder:"URL"`
	DepartmentURL []string `name:"department-url" help:"Likewise of the departments, in their order: the flag once for each." sep:"none" placeholder:"URL"`
	Data          string   `help:"Directory to keep; one of an earlier demo is gone on with. Without it a new one, removed at the end." placeholder:"DIR"`
	JSON          bool     `name:"json" help:"Print one line of JSON when ready, instead of a tour."`
	LogLevel      string   `help:"Least level that is logged: debug, info, warn, error." default:"error" enum:"debug,info,warn,error"`

	// For measuring: with other servers, and behind what names the clients' addresses.
	DatabaseURL  string   `name:"database-url" hidden:"" help:"An empty database, as of serve." placeholder:"URL"`
	RedisURL     string   `name:"redis-url" hidden:"" help:"As of serve." placeholder:"URL"`
	TrustedProxy []string `hidden:"" help:"As of serve." placeholder:"CIDR"`
	Certificates string   `hidden:"" help:"As of serve." placeholder:"FILE"`
	LoadClient   bool     `hidden:"" help:"Register a client for yizheng-load."`
}

// Run runs the demo until a signal ends it.
func (c *demoCmd) Run(p *command.Process) error { return demo.Run(p, demo.Config(*c)) }
