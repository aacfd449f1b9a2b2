package main

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"yizheng.internal/api/outbound"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
)

// settings say where an installation is. Every command that opens one has them.
type settings struct {
	Data           string `help:"Directory of the keys and, with SQLite, of the database." env:"YIZHENG_DATA" default:"./data" group:"Settings:"`
	DatabaseURL    string `name:"database-url" help:"Database: sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME. Without it sqlite:DATA/yizheng.db. With a password, better in the environment: command lines can be seen." env:"YIZHENG_DATABASE_URL" placeholder:"URL" group:"Settings:"`
	PassphraseFile string `help:"File with the passphrase of the keys; without it DATA/keys.pass. Passphrases come from files alone." env:"YIZHENG_PASSPHRASE_FILE" placeholder:"FILE" group:"Settings:"`
	PublicURL      string `name:"public-url" help:"Public URL, the OpenID issuer: https, or http on loopback. It is bound to the installation at its first start. Without it http://LISTEN, if that is loopback." env:"YIZHENG_PUBLIC_URL" placeholder:"URL" group:"Settings:"`
	RegistryName   string `name:"registry-name" help:"Name in the registry's own certificates, from the first start on. Without it 电子证照库." env:"YIZHENG_REGISTRY_NAME" placeholder:"NAME" group:"Settings:"`
	RegistryUSCC   string `name:"registry-uscc" help:"Unified social credit code in them. Without it a placeholder over the unassigned area 990000: not for production." env:"YIZHENG_REGISTRY_USCC" placeholder:"CODE" group:"Settings:"`
}

// The registry's subject while nobody has named it. The code's check character
// is right, so that everything works; area 990000 is not assigned to anybody.
const (
	placeholderName = "电子证照库"
	placeholderUSCC = "11990000000000000D"
)

const databaseFile = "yizheng.db"

// databaseURL returns the database's URL, with the default filled in.
func (s settings) databaseURL() string {
	if s.DatabaseURL != "" {
		return s.DatabaseURL
	}
	return "sqlite:" + filepath.Join(s.Data, databaseFile)
}

// root names the root's keystore for commands that certify keys.
type root struct {
	Root               string `help:"Directory of the root's keystore; without it DATA/root." env:"YIZHENG_ROOT" placeholder:"DIR" group:"Settings:"`
	RootPassphraseFile string `help:"File with its passphrase; without it the directory's name with .pass." env:"YIZHENG_ROOT_PASSPHRASE_FILE" placeholder:"FILE" group:"Settings:"`
}

// ephemeral says where the service keeps what may be lost at any time.
type ephemeral struct {
	RedisURL string `name:"redis-url" help:"Redis for what may be lost: logins under way, counters of tries. redis://HOST/DB, or rediss:// with TLS. Without it they lie in memory, which is for one node alone. With a password, better in the environment." env:"YIZHENG_REDIS_URL" placeholder:"URL" group:"Settings:"`
}

// messaging says how one-time codes get to phones.
type messaging struct {
	SMSURL        string `name:"sms-url" help:"URL of the SMS gateway, https: it gets a POST with JSON {phone, text, code}. Without it nobody gets a code, so there is no second factor and no license is released." env:"YIZHENG_SMS_URL" placeholder:"URL" group:"Settings:"`
	SMSSecretFile string `name:"sms-secret-file" help:"File with the secret that the gateway gets as a bearer token; nobody else may read it." env:"YIZHENG_SMS_SECRET_FILE" placeholder:"FILE" group:"Settings:"`
	SMSPrivate    bool   `name:"sms-private" help:"The gateway may be on this machine or in a private network. Without it only addresses of the Internet are asked." env:"YIZHENG_SMS_PRIVATE" group:"Settings:"`
}

// sender returns what sends messages, or nil if nothing is set.
func (m messaging) sender() (identity.Sender, error) {
	if m.SMSURL == "" {
		if m.SMSSecretFile != "" {
			return nil, usage("settings.no_sms_url")
		}
		return nil, nil
	}
	if m.SMSSecretFile == "" {
		return nil, usage("settings.no_sms_secret")
	}
	secret, err := signing.ReadPassphraseFile(m.SMSSecretFile)
	if err != nil {
		return nil, refuse("usage.of", "--sms-secret-file", err)
	}
	sms, err := outbound.NewSMS(outbound.SMSConfig{URL: m.SMSURL, Secret: oidc.SecretOf(string(secret)), Private: m.SMSPrivate})
	if err != nil {
		return nil, usage("usage.of", "--sms-url", err)
	}
	return sms, nil
}

// listening says where the service listens.
type listening struct {
	Listen          string        `help:"Address of the public listener; port 0 takes a free one." env:"YIZHENG_LISTEN" default:"127.0.0.1:8080" group:"Settings:"`
	AdminListen     string        `help:"Address of the admin listener: /livez, /readyz, /readyz/logins, /metrics. Not to be reachable from outside." env:"YIZHENG_ADMIN_LISTEN" default:"127.0.0.1:8081" group:"Settings:"`
	TrustedProxy    []string      `help:"Address or network of a proxy that may name the client in X-Forwarded-For and the request in X-Request-Id. Several with commas." env:"YIZHENG_TRUSTED_PROXY" placeholder:"CIDR" group:"Settings:"`
	SecurityContact string        `help:"Whom to tell of a weakness, served as /.well-known/security.txt: mailto:ADDRESS, https://… or tel:… Without it there is none." env:"YIZHENG_SECURITY_CONTACT" placeholder:"URI" group:"Settings:"`
	Drain           time.Duration `help:"How long the node still serves new requests after SIGTERM, while /readyz says that it is going. Make it longer than your load balancer takes to notice. 0: it serves none." env:"YIZHENG_DRAIN" default:"5s" group:"Settings:"`
	LogLevel        string        `help:"Least level that is logged: debug, info, warn, error." env:"YIZHENG_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" group:"Settings:"`
	Migrate         string        `help:"auto brings the database's schema up to date at the start; check only refuses to start with an old one." env:"YIZHENG_MIGRATE" default:"auto" enum:"auto,check" group:"Settings:"`
}

// logger returns the service's log: JSON, on standard error.
func (l listening) logger(p *process) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.LogLevel)); err != nil {
		level = slog.LevelInfo // the parser has checked it
	}
	return slog.New(slog.NewJSONHandler(p.err, &slog.HandlerOptions{Level: level}))
}

// proxies returns the networks of trusted proxies.
func (l listening) proxies() ([]netip.Prefix, error) {
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
			return nil, usage("settings.proxy", text)
		}
		if a := n.Addr(); a.Is4In6() && n.Bits() >= 96 {
			n = netip.PrefixFrom(a.Unmap(), n.Bits()-96)
		}
		if n = n.Masked(); tooWide(n) {
			return nil, usage("settings.wide", n)
		}
		found = append(found, n)
	}
	return found, nil
}

// tooWide reports whether a network can't be one of proxies alone. The widest private
// ones, 10.0.0.0/8 and fc00::/7, may; of public ones there is no proxy with more than
// a /12, or of IPv6 a /28, of its own.
func tooWide(n netip.Prefix) bool {
	switch {
	case n.Addr().IsPrivate() || n.Addr().IsLoopback():
		return n.Addr().Is4() && n.Bits() < 8 || n.Addr().Is6() && n.Bits() < 7
	case n.Addr().Is4():
		return n.Bits() < 12
	}
	return n.Bits() < 28
}

// canonicalURL returns a public URL that was given in its one form, the origin as
// browsers and the metadata write it: cookies, forms and issuers are compared byte
// by byte. It is https, or http on loopback.
func canonicalURL(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return "", usage("settings.url.absolute")
	case u.Path != "" && u.Path != "/":
		return "", usage("settings.url.path")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopbackHost(u.Hostname())):
		return "", usage("settings.url.scheme")
	}
	host := strings.ToLower(u.Hostname())
	a, err := netip.ParseAddr(host)
	switch {
	case err == nil && a.Zone() != "":
		return "", usage("settings.url.zone")
	case err == nil:
		host = a.String()
	case strings.ContainsFunc(host, func(c rune) bool { return c >= 0x80 }):
		return "", usage("settings.url.punycode")
	case !hostName.MatchString(host):
		return "", usage("settings.url.host", host)
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	switch port := u.Port(); {
	case port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80":
		return u.Scheme + "://" + host, nil
	default:
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return "", usage("settings.url.port")
		}
		return u.Scheme + "://" + host + ":" + strconv.FormatUint(n, 10), nil
	}
}

// hostName is a name of DNS, without a dot at its end.
var hostName = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func loopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// publicURL returns the public URL of a service that was told to listen on an
// address, and does so at bound.
func (s settings) publicURL(told string, bound net.Addr) (string, error) {
	if s.PublicURL != "" {
		return canonicalURL(s.PublicURL)
	}
	host, port, err := net.SplitHostPort(bound.String())
	if err != nil || !loopbackHost(host) {
		return "", usage("settings.url.missing", bound)
	}
	if name, _, err := net.SplitHostPort(told); err == nil && strings.EqualFold(name, localhost) {
		return canonicalURL("http://" + net.JoinHostPort(localhost, port))
	}
	return canonicalURL("http://" + bound.String())
}

// unknownVariables returns what the environment has under our prefix that no
// setting reads: most likely misspelt.
func unknownVariables(environ []string) []string {
	parser, err := kong.New(&commands{})
	if err != nil {
		return nil
	}
	known := []string{"YIZHENG_CONFIG", "YIZHENG_OPERATOR", "YIZHENG_SOAK"} // the latter is the tests'
	for _, name := range settingNames(parser.Model.Node) {
		known = append(known, "YIZHENG_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_")))
	}
	var unknown []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "YIZHENG_") && !strings.HasPrefix(name, "YIZHENG_TEST_") && !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown
}

// isDir reports whether there is a directory.
func isDir(path string) (bool, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !info.IsDir() {
		return false, refuse("settings.no_directory", path)
	}
	return true, nil
}
