package install

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"yizheng.internal/api/outbound"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/phonecode"
	"yizheng.internal/signing/keystore"

	"github.com/alecthomas/kong"

	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/oidc"
)

// Settings say where an installation is. Every command that opens one has them.
type Settings struct {
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
	PlaceholderUSCC = "11990000000000000D"
)

const databaseFile = "yizheng.db"

// Database returns the database's URL, with the default filled in.
func (s Settings) Database() string {
	if s.DatabaseURL != "" {
		return s.DatabaseURL
	}
	return "sqlite:" + filepath.Join(s.Data, databaseFile)
}

// Ephemeral says where the service keeps what may be lost at any time.
type Ephemeral struct {
	RedisURL string `name:"redis-url" help:"Redis for what may be lost: logins under way, counters of tries. redis://HOST/DB, or rediss:// with TLS. Without it they lie in memory, which is for one node alone. With a password, better in the environment." env:"YIZHENG_REDIS_URL" placeholder:"URL" group:"Settings:"`
}

// Messaging says how one-time codes get to phones.
type Messaging struct {
	SMSURL        string `name:"sms-url" help:"URL of the SMS gateway, https: it gets a POST with JSON {phone, kind, text, code}. Without it nobody gets a code: who has no authenticator app has no second factor, and no license is released to them." env:"YIZHENG_SMS_URL" placeholder:"URL" group:"Settings:"`
	SMSSecretFile string `name:"sms-secret-file" help:"File with the secret that the gateway gets as a bearer token; nobody else may read it." env:"YIZHENG_SMS_SECRET_FILE" placeholder:"FILE" group:"Settings:"`
	SMSPerDay     int64  `name:"sms-per-day" help:"How many codes are sent a day at most to people who log in with their phone: 10,000, or another number from 4 on. Phones without an account get up to half of them, those abroad a hundredth, devices that no account knows three quarters. Codes after a password aren't counted." env:"YIZHENG_SMS_PER_DAY" default:"10000" placeholder:"N" group:"Settings:"`
	SMSPrivate    bool   `name:"sms-private" help:"The gateway may be on this machine or in a private network. Without it only addresses of the Internet are asked." env:"YIZHENG_SMS_PRIVATE" group:"Settings:"`
}

// Sender returns what sends messages, or nil if nothing is set.
func (m Messaging) Sender() (notice.Sender, error) {
	if m.SMSPerDay < phonecode.LeastPerDay {
		return nil, texts.Usage("settings.sms_per_day", phonecode.LeastPerDay)
	}
	if m.SMSURL == "" {
		if m.SMSSecretFile != "" {
			return nil, texts.Usage("settings.no_sms_url")
		}
		return nil, nil
	}
	if m.SMSSecretFile == "" {
		return nil, texts.Usage("settings.no_sms_secret")
	}
	secret, err := keystore.ReadPassphraseFile(absolute(m.SMSSecretFile))
	if err != nil {
		return nil, texts.Refuse("usage.of", "--sms-secret-file", err)
	}
	sms, err := outbound.NewSMS(outbound.HookConfig{URL: m.SMSURL, Secret: oidc.SecretOf(string(secret)), Private: m.SMSPrivate})
	if err != nil {
		return nil, texts.Usage("usage.of", "--sms-url", err)
	}
	return sms, nil
}

// Proofing says whom to ask who somebody is.
type Proofing struct {
	ProofingURL        string `name:"proofing-url" help:"URL of the system that confirms who somebody is, https: it gets a POST with JSON {name, code_type, code, phone}. Without it nobody recovers a password online." env:"YIZHENG_PROOFING_URL" placeholder:"URL" group:"Settings:"`
	ProofingSecretFile string `name:"proofing-secret-file" help:"File with the secret that this system gets as a bearer token; nobody else may read it." env:"YIZHENG_PROOFING_SECRET_FILE" placeholder:"FILE" group:"Settings:"`
	ProofingName       string `name:"proofing-name" help:"What that system is called, in 1 to 60 characters: it is kept with each account that it confirmed." env:"YIZHENG_PROOFING_NAME" default:"实名核验服务" placeholder:"NAME" group:"Settings:"`
	ProofingLevel      int    `name:"proofing-level" help:"The highest level that it may confirm: 1, 2 or 3. Without the person's phone it never confirms more than 1." env:"YIZHENG_PROOFING_LEVEL" default:"2" placeholder:"N" group:"Settings:"`
	RegisterUnproofed  bool   `name:"register-unproofed" help:"People may register with a phone and a name alone (level 0), or with a number that nobody confirmed as theirs (level 1): what such an account is called, somebody said." env:"YIZHENG_REGISTER_UNPROOFED" group:"Settings:"`
	ProofingPrivate    bool   `name:"proofing-private" help:"That system may be on this machine or in a private network. Without it only addresses of the Internet are asked." env:"YIZHENG_PROOFING_PRIVATE" group:"Settings:"`
}

// defaultProofing is what ProofingLevel is unless somebody sets it.
const defaultProofing = 2

// Proofer returns what confirms who somebody is, or nil if nothing is set.
func (s Proofing) Proofer() (identity.IdentityProofer, error) {
	switch {
	case s.ProofingURL == "" && s.ProofingSecretFile == "" && (s.ProofingLevel == 0 || s.ProofingLevel == defaultProofing):
		return nil, nil
	case s.ProofingURL == "":
		return nil, texts.Usage("settings.no_proofing_url")
	case s.ProofingSecretFile == "":
		return nil, texts.Usage("settings.no_proofing_secret")
	}
	secret, err := keystore.ReadPassphraseFile(absolute(s.ProofingSecretFile))
	if err != nil {
		return nil, texts.Refuse("usage.of", "--proofing-secret-file", err)
	}
	p, err := outbound.NewProofing(outbound.ProofingConfig{
		HookConfig: outbound.HookConfig{URL: s.ProofingURL, Secret: oidc.SecretOf(string(secret)), Private: s.ProofingPrivate},
		Source:     s.ProofingName, Most: s.ProofingLevel,
	})
	if err != nil {
		return nil, texts.Usage("usage.of", "--proofing-url", err)
	}
	return p, nil
}

// UnknownVariables returns what the environment has under our prefix that no
// setting of the commands reads: most likely misspelt.
func UnknownVariables(commands *kong.Node, environ []string) []string {
	known := []string{"YIZHENG_CONFIG", "YIZHENG_OPERATOR", "YIZHENG_SOAK"} // the latter is the tests'
	for _, name := range settingNames(commands) {
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

// Inside reports whether a path leads into a directory, which exists, also by symbolic links.
func Inside(dir, path string) bool {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return false
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return false
	}
	for ; ; path = filepath.Dir(path) {
		if real, err := filepath.EvalSymlinks(path); err == nil { // the part of it that exists
			below, err := filepath.Rel(dir, real)
			return err == nil && below != ".." && !strings.HasPrefix(below, ".."+string(filepath.Separator))
		}
		if path == filepath.Dir(path) {
			return false
		}
	}
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
		return false, texts.Refuse("settings.no_directory", path)
	}
	return true, nil
}
