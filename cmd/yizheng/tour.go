package main

import (
	_ "embed" // for the text
	"fmt"
	"os"
	"text/template"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/party"
)

// tourText is the tour that the demo prints, in Chinese and English.
//
//go:embed tour.txt
var tourText string

// tourFacts are what the tour shows.
type tourFacts struct {
	demoFacts
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
func (f demoFacts) tour(p *process, data string, kept bool) error {
	t, err := template.New("tour").Parse(tourText)
	if err != nil {
		return err
	}
	today := party.DateOf(time.Now())
	facts := tourFacts{
		demoFacts: f, Program: os.Args[0], Data: data, Kept: kept, Issuing: f.Clients[1],
		TypeCode: f.Licenses[0].TypeCode, Now: f.Licenses[0], From: today, Until: today.AddMonths(12),
	}
	if err := t.Execute(p.out, facts); err != nil {
		return fmt.Errorf("showing the tour: %w", err)
	}
	return nil
}
