package install

import (
	"io"
	"os"
	"path/filepath"

	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/oidc/identity/certificate"
)

// Certificates says with whose certificates people log in.
type Certificates struct {
	Certificates string `name:"certificates" help:"JSON file with the CAs with whose SM2 certificates people log in here, such as those of USB keys. Files that it names lie beside it." env:"YIZHENG_CERTIFICATES" placeholder:"FILE" group:"Settings:"`
}

// maxListFile is how much is read of a revocation list.
const maxListFile = 5 << 20

// Authorities reads the file; without one there are none.
func (c Certificates) Authorities() ([]certificate.Authority, error) {
	if c.Certificates == "" {
		return nil, nil
	}
	text, err := readBounded(c.Certificates)
	if err != nil {
		return nil, texts.Refuse("usage.of", "--certificates", err)
	}
	dir := filepath.Dir(c.Certificates)
	all, err := certificate.ReadAuthorities(text, func(name string) ([]byte, error) {
		f, err := os.Open(joined(dir, name))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, maxListFile+1))
		if err == nil && len(text) > maxListFile {
			err = texts.Refuse("usage.list_large", maxListFile)
		}
		return text, err
	})
	if err != nil {
		return nil, texts.Usage("usage.of", "--certificates "+c.Certificates, err)
	}
	return all, nil
}
