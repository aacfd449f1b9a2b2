package demo

import (
	"embed"
	"os"
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
)

// tourPages are the tour in each language.
//
//go:embed pages/tour.*.txt
var tourPages embed.FS

// tourLicense is a sample with what became of it.
type tourLicense struct {
	demoLicense
	Type, State string
}

// tourFacts are what the tour shows.
type tourFacts struct {
	demoFacts
	Samples  []tourLicense
	Program  string // as it was called
	Data     string
	Kept     bool       // the directory stays
	Issuing  demoClient // of the authority that issues TypeCode
	TypeCode credential.TypeCode
	Now      demoLicense // in force
	From     party.Date
	Until    party.Date
}

// tour prints what there is to see, and commands to copy.
func (f demoFacts) tour(p *command.Process, in *install.Installation, kept bool) error {
	samples, err := f.samples(p, in)
	if err != nil {
		return err
	}
	today := party.DateOf(time.Now())
	facts := tourFacts{
		demoFacts: f, Samples: samples, Program: os.Args[0], Data: in.Settings.Data, Kept: kept, Issuing: f.Clients[1],
		TypeCode: f.Licenses[0].TypeCode, Now: f.Licenses[0], From: today, Until: today.AddMonths(12),
	}
	return p.Page(tourPages, "pages/tour", facts)
}

// samples returns the licenses with their types and states as they are now.
func (f demoFacts) samples(p *command.Process, in *install.Installation) ([]tourLicense, error) {
	var samples []tourLicense
	for _, l := range f.Licenses {
		t, err := in.Library.Catalog().Types().Version(p.Ctx, l.TypeCode, 0)
		if err != nil {
			return nil, err
		}
		parts, err := l.Identifier.Parse()
		if err != nil {
			return nil, err
		}
		_, v, err := in.DB.Licenses().Load(p.Ctx, l.ID, parts.Version)
		if err != nil {
			return nil, err
		}
		samples = append(samples, tourLicense{l, t.Name, p.Words.Word(texts.WordOf("license", string(v.State)))})
	}
	return samples, nil
}
