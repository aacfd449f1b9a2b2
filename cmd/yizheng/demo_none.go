//go:build nodemo

package main

import (
	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/texts"
)

// demoCmd stands where the demo is in other builds: production has no made-up people, and no
// page that shows their one-time codes.
type demoCmd struct {
	Arguments []string `arg:"" optional:"" passthrough:"" hidden:"" help:"What the demo would take."`
}

// Run says that this build has no demo.
func (*demoCmd) Run(*command.Process) error { return texts.Usage("demo.left_out") }
