package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/oidc/scan"
)

// listenPublic binds the public address. For the name localhost it binds both loopback
// addresses, as far as the machine has them. Browsers try them in turn, and no other process
// may answer at one of them.
func listenPublic(ctx context.Context, address string) (l, l6 net.Listener, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || !strings.EqualFold(host, install.Localhost) {
		l, err = listen(ctx, "--listen", address)
		return l, nil, err
	}
	for range 10 {
		if l, err = listen(ctx, "--listen", net.JoinHostPort("127.0.0.1", port)); err != nil {
			return nil, nil, err
		}
		_, taken, _ := net.SplitHostPort(l.Addr().String())
		l6, err = listen(ctx, "--listen", net.JoinHostPort("::1", taken))
		if err == nil {
			return l, l6, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) { // there is no IPv6
			return l, nil, nil
		}
		if err := errors.Join(err, l.Close()); port != "0" {
			return nil, nil, err
		}
	}
	return nil, nil, err
}

// listen binds an address. The error says which setting to change.
func listen(ctx context.Context, flag, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, texts.Refuse("serve.listen", err, flag)
	}
	return l, nil
}

// Listening says where the service listens.
type Listening struct {
	Listen          string        `help:"Address of the public listener; port 0 takes a free one." env:"YIZHENG_LISTEN" default:"127.0.0.1:8080" group:"Settings:"`
	AdminListen     string        `help:"Address of the admin listener: /livez, /readyz, /readyz/logins, /metrics. Not to be reachable from outside." env:"YIZHENG_ADMIN_LISTEN" default:"127.0.0.1:8081" group:"Settings:"`
	TrustedProxy    []string      `help:"Address or network of a proxy that may name the client in X-Forwarded-For and the request in X-Request-Id. Several with commas." env:"YIZHENG_TRUSTED_PROXY" placeholder:"CIDR" group:"Settings:"`
	Network         []string      `help:"Name of a network, such as 203.0.113.0/24=市民中心一楼大厅: people who log in at a computer by their phone are told it. Several with commas. No place is guessed." env:"YIZHENG_NETWORK" placeholder:"CIDR=NAME" group:"Settings:"`
	SecurityContact string        `help:"Whom to tell of a weakness, served as /.well-known/security.txt: mailto:ADDRESS, https://… or tel:… Without it there is none." env:"YIZHENG_SECURITY_CONTACT" placeholder:"URI" group:"Settings:"`
	Drain           time.Duration `help:"How long the node still serves new requests after SIGTERM, while /readyz says that it is going. Make it longer than your load balancer takes to notice. 0: it serves none." env:"YIZHENG_DRAIN" default:"5s" group:"Settings:"`
	LogLevel        string        `help:"Least level that is logged: debug, info, warn, error." env:"YIZHENG_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" group:"Settings:"`
	Migrate         string        `help:"auto brings the database's schema up to date at the start; check only refuses to start with an old one." env:"YIZHENG_MIGRATE" default:"auto" enum:"auto,check" group:"Settings:"`
}

// Logger returns the service's log: JSON, on standard error.
func (l Listening) Logger(p *command.Process) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.LogLevel)); err != nil {
		level = slog.LevelInfo // the parser has checked it
	}
	return slog.New(command.UTCLog{Handler: slog.NewJSONHandler(p.Err, &slog.HandlerOptions{Level: level})})
}

// proxies returns the networks of trusted proxies.
func (l Listening) proxies() ([]netip.Prefix, error) {
	var found []netip.Prefix
	for _, text := range l.TrustedProxy {
		if text = strings.TrimSpace(text); text == "" { // a variable that is set and empty
			continue
		}
		if a, err := netip.ParseAddr(text); err == nil {
			found = append(found, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
			continue
		}
		n, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, texts.Usage("settings.proxy", text)
		}
		if a := n.Addr(); a.Is4In6() && n.Bits() >= 96 {
			n = netip.PrefixFrom(a.Unmap(), n.Bits()-96)
		}
		if n = n.Masked(); tooWide(n) {
			return nil, texts.Usage("settings.wide", n)
		}
		found = append(found, n)
	}
	return found, nil
}

// networks returns the networks that have a name.
func (l Listening) networks() (scan.Networks, error) {
	named := slices.DeleteFunc(slices.Clone(l.Network), func(text string) bool { return strings.TrimSpace(text) == "" }) // a variable that is set and empty
	found, err := scan.ParseNetworks(named)
	if err != nil {
		return nil, texts.Usage("usage.of", "--network", err)
	}
	return found, nil
}

// tooWide reports whether a network is too wide to have proxies alone. The widest private
// networks, 10.0.0.0/8 and fc00::/7, are allowed. No proxy has a public network wider than a
// /12, or with IPv6 than a /28.
func tooWide(n netip.Prefix) bool {
	switch {
	case n.Addr().IsPrivate() || n.Addr().IsLoopback():
		return n.Addr().Is4() && n.Bits() < 8 || n.Addr().Is6() && n.Bits() < 7
	case n.Addr().Is4():
		return n.Bits() < 12
	}
	return n.Bits() < 28
}
