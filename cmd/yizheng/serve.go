package main

import (
	"fmt"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/serve"
)

type serveCmd struct {
	install.Settings
	install.Ephemeral
	install.Messaging
	install.Proofing
	install.Upstreams
	install.Proving
	install.Certificates
	serve.CertificateProxy
	serve.Listening
	serve.Keeping
}

// Run runs the service until a signal ends it.
func (c *serveCmd) Run(p *command.Process) error {
	log := c.Logger(p)
	sender, err := c.Sender()
	if err != nil {
		return err
	}
	if sender == nil {
		log.Warn("no SMS gateway is set (--sms-url): nobody gets a code, so there is no second factor, and no license is released in a login")
	}
	proofer, err := c.Proofer()
	if err != nil {
		return err
	}
	upstreams, err := c.Providers()
	if err != nil {
		return err
	}
	believed, err := c.Believed()
	if err != nil {
		return err
	}
	lawful, err := c.Lawful()
	if err != nil {
		return err
	}
	s, err := serve.Start(p.Ctx, serve.Config{
		Settings: c.Settings, Ephemeral: c.Ephemeral, Listening: c.Listening, Keeping: c.Keeping, Certificates: c.Certificates, CertificateProxy: c.CertificateProxy,
		Outside: install.Outside{
			Sender: sender, PerDay: c.SMSPerDay, Proofer: proofer, Proofs: c.ProofingLevel, Unproofed: c.RegisterUnproofed, Upstreams: upstreams, Believed: believed, Lawful: lawful,
		}, Unknown: p.Unknown, Log: log,
	})
	if err != nil {
		return err
	}
	return s.Run(p.Ctx, func() error {
		key := "serve.ready"
		if s.Refusing() {
			key = "serve.refusing"
		}
		url, public, admin := s.Where()
		_, err := fmt.Fprintln(p.Out, p.Words.Say(key, url, public, admin))
		return err
	})
}
