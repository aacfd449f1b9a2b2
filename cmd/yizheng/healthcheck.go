package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/texts"
)

type healthcheckCmd struct {
	AdminListen string        `help:"The service's admin listener." env:"YIZHENG_ADMIN_LISTEN" default:"127.0.0.1:8081" group:"Settings:"`
	Timeout     time.Duration `help:"How long to wait for the answer." default:"3s"`
}

// Run asks /readyz. Exit code 0: ready; 1: not.
func (c *healthcheckCmd) Run(p *command.Process) error {
	url, err := readyURL(c.AdminListen)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(p.Ctx, c.Timeout)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	// Straight there: a proxy of the environment's is not meant for this.
	client := http.Client{Transport: &http.Transport{}}
	answer, err := client.Do(q)
	if err != nil {
		return texts.Refuse("healthcheck.not_ready", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	if err != nil {
		return texts.Refuse("healthcheck.not_ready", err)
	}
	if answer.StatusCode != http.StatusOK {
		return texts.Refuse("healthcheck.refused", answer.Status, command.Printable(string(text)))
	}
	p.Print("healthcheck.ready")
	return nil
}

// readyURL returns where to ask: an address that stands for all of the
// machine's is asked on loopback.
func readyURL(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", texts.Usage("usage.of", "--admin-listen", err)
	}
	if a, err := netip.ParseAddr(host); host == "" || err == nil && a.IsUnspecified() {
		host = "127.0.0.1"
		if err == nil && a.Is6() {
			host = "::1"
		}
	}
	return "http://" + net.JoinHostPort(host, port) + "/readyz", nil
}
