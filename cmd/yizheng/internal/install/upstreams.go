package install

import (
	"io"
	"os"
	"path/filepath"

	"yizheng.internal/api/outbound"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/oidc/identity/upstream"
	"yizheng.internal/signing/keystore"
)

// Upstreams says with which other providers people log in.
type Upstreams struct {
	Upstream string `name:"upstream" help:"JSON file with the other providers with which people log in here, and how much of what they say is believed. Files that it names lie beside it." env:"YIZHENG_UPSTREAM" placeholder:"FILE" group:"Settings:"`
}

// maxUpstreamFile is how much is read of a file of providers, or of one that it names.
const maxUpstreamFile = 1 << 20

// Providers reads the file; without one there are none.
func (u Upstreams) Providers() ([]upstream.Provider, error) {
	if u.Upstream == "" {
		return nil, nil
	}
	path := absolute(u.Upstream)
	text, err := readBounded(path)
	if err != nil {
		return nil, texts.Refuse("usage.of", "--upstream", err)
	}
	dir := filepath.Dir(path)
	all, err := upstream.ReadProviders(text, upstream.Files{
		Secret: func(name string) ([]byte, error) { return keystore.ReadPassphraseFile(joined(dir, name)) },
		Public: func(name string) ([]byte, error) { return readBounded(joined(dir, name)) },
	})
	if err != nil {
		return nil, texts.Usage("usage.upstream", path, err)
	}
	return all, nil
}

// joined returns the path of a file that another one names, which lies in a folder.
func joined(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// absolute returns a path as it is to be read in an error, whatever the current folder is.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxUpstreamFile))
}

// AskUpstream returns what asks a provider.
func AskUpstream(p *upstream.Provider) (upstream.Outside, error) {
	return outbound.NewAsker(outbound.AskerConfig{Private: p.Private, Roots: p.Roots()}), nil
}
