package demo

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/oidc"
)

// demoFacts are what a visitor, or a program, needs to use the demo: what
// --json prints.
type demoFacts struct {
	Issuer      string           `json:"issuer"`
	Clients     []demoClient     `json:"clients"`
	Licenses    []demoLicense    `json:"licenses"`
	People      []demoPerson     `json:"people"`
	Departments []demoDepartment `json:"departments"`
	MessagesURL string           `json:"messages_url"`
}

type demoClient struct {
	ClientID     string       `json:"client_id"`
	ClientSecret string       `json:"client_secret"`
	Participant  string       `json:"participant"`
	Scopes       []oidc.Scope `json:"scopes"`
	RedirectURIs []string     `json:"redirect_uris"`
}

type demoLicense struct {
	ID               audit.ID              `json:"id"`
	Identifier       credential.Identifier `json:"identifier"`
	VerificationCode string                `json:"verification_code"`
	TypeCode         credential.TypeCode   `json:"type_code"`
}

type demoPerson struct {
	Login    string `json:"login"`
	Password string `json:"password"`
	Name     string `json:"name"`
	Phone    string `json:"phone"`
	Code     string `json:"code"` // the number of the person's document
}

type demoDepartment struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	Listen string `json:"listen"`
}

const (
	demoFile     = "demo.json"          // in the data directory: the facts, once all samples are there
	demoMark     = "demo.unfinished"    // there from before the first sample until then
	demoRegistry = "青禾市电子证照库（样例）"       // in the demo's certificates
	demoCode     = "11990000000010014J" // that of the samples' province
)

// earlierFacts returns the facts of an earlier demo that made all its samples,
// or none.
func earlierFacts(dir string) (facts demoFacts, err error) {
	path := filepath.Join(dir, demoFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return facts, nil
	} else if err != nil {
		return facts, err
	}
	if err := json.Unmarshal(text, &facts); err != nil {
		return facts, texts.Refuse("usage.of", path, err)
	}
	return facts, nil
}

// print prints the facts as one line of JSON.
func (f demoFacts) print(p *command.Process) error {
	line, err := json.Marshal(f, jsontext.Multiline(false))
	if err != nil {
		return err
	}
	_, err = p.Out.Write(append(line, '\n'))
	return err
}
