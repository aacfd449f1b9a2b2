package main

import (
	"os"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/party"
)

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
	TypeCode license.TypeCode
	Now      demoLicense // in force
	From     party.Date
	Until    party.Date
}

// tour prints what there is to see, and commands to copy.
func (f demoFacts) tour(p *process, in *installation, kept bool) error {
	samples, err := f.samples(p, in)
	if err != nil {
		return err
	}
	today := party.DateOf(time.Now())
	facts := tourFacts{
		demoFacts: f, Samples: samples, Program: os.Args[0], Data: in.settings.Data, Kept: kept, Issuing: f.Clients[1],
		TypeCode: f.Licenses[0].TypeCode, Now: f.Licenses[0], From: today, Until: today.AddMonths(12),
	}
	return p.page("tour", facts)
}

// samples returns the licenses with their types and states as they are now.
func (f demoFacts) samples(p *process, in *installation) ([]tourLicense, error) {
	var samples []tourLicense
	for _, l := range f.Licenses {
		t, err := in.registry.Type(p.ctx, l.TypeCode, 0)
		if err != nil {
			return nil, err
		}
		parts, err := l.Identifier.Parse()
		if err != nil {
			return nil, err
		}
		_, v, err := in.db.Licenses().Load(p.ctx, l.ID, parts.Version)
		if err != nil {
			return nil, err
		}
		samples = append(samples, tourLicense{l, t.Name, p.words.word(word{"license", string(v.State)})})
	}
	return samples, nil
}
