// Package people assembles package identity and the packages below it, and gives each what it
// uses.
package people

import (
	"log/slog"

	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/certificate"
	"yizheng.internal/oidc/identity/entry"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/intake"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/officer"
	"yizheng.internal/oidc/identity/onetime"
	"yizheng.internal/oidc/identity/passkey"
	"yizheng.internal/oidc/identity/password"
	"yizheng.internal/oidc/identity/phonecode"
	"yizheng.internal/oidc/identity/registrar"
	"yizheng.internal/oidc/identity/trail"
	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/oidc/identity/upstream"
	"yizheng.internal/signing/vault"
)

// Config says what People work with.
type Config struct {
	Parties      identity.Parties
	Accounts     identity.Accounts
	Ephemeral    ephemeral.Store
	Vault        *vault.Vault
	Sender       notice.Sender            // sends one-time codes; nil: none are sent
	SMSPerDay    int64                    // as [phonecode.Config].PerDay
	Proofer      identity.IdentityProofer // nil: nobody can be proofed
	Proofs       int                      // as [entry.Config].Most
	Unproofed    bool                     // as [entry.Config].Unproofed
	URL          string                   // the public URL, of which passkeys are; empty: there are none
	Journal      intake.Journal           // required
	Hashing      password.Config          // what hashes of passwords cost
	Sources      intake.Sources           // systems whose accounts are taken in; nil: none are
	Links        intake.Links             // likewise
	Events       trail.Events             // what was recorded about accounts; nil: nobody is shown what happened to theirs
	Changes      registrar.Store          // likewise; without it nobody raises how well their account is proofed either
	Posts        officer.Store            // of participants' officers; nil: there are none
	Participants identity.Participants    // whose they are; needed with Posts
	Acting       acting.Store             // who may act for whom; nil: nobody acts for others
	Registry     acting.Registry          // what licenses prove of that; nil: nothing
	Upstreams    upstream.Config          // of it Providers, Outside and Spend; without Providers nobody logs in with another one
	// Certificates has of it Authorities, Fetch, Spend and Verifier; without Authorities nobody logs in with a certificate.
	Certificates certificate.Config
	Log          *slog.Logger // default: discards
}

// People has the rules of who somebody is. Safe for concurrent use.
type People struct {
	*identity.Service                        // parties and accounts
	Factors           *factor.Service        // checks what people log in with
	Phones            *phonecode.Service     // logs people in with their phone; nil without a Sender
	Entry             *entry.Service         // lets people in who can't log in; nil without a Sender
	Authenticators    *authenticator.Service // adds, names and removes them
	Tickets           *password.Tickets      // lets people set a password
	Passwords         *password.Hasher
	Intake            *intake.Service      // takes in accounts of other systems; nil without Sources
	Registrar         *registrar.Service   // authorities' changes to people; nil without Sources
	Officers          *officer.Service     // who has a post where; nil without Posts
	Trail             *trail.Service       // tells people what happened to their accounts; nil without Events
	Acting            *acting.Service      // who may act for whom; nil without a store of it
	Upstreams         *upstream.Service    // logs people in with other providers; nil without any
	Certificates      *certificate.Service // checks certificates; nil without Authorities. Its Run reads revocation lists
}

// New checks c and returns People.
func New(c Config) (*People, error) {
	p := &People{Passwords: password.New(c.Hashing)}
	var err error
	p.Service, err = identity.NewService(identity.Config{
		Parties: c.Parties, Accounts: c.Accounts, Vault: c.Vault, Passwords: p.Passwords, Proofer: c.Proofer, Journal: c.Journal,
	})
	if err != nil {
		return nil, err
	}
	log := c.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var passkeys *passkey.Service
	if c.URL != "" {
		if passkeys, err = passkey.New(passkey.Config{URL: c.URL, Vault: c.Vault, Ephemeral: c.Ephemeral}); err != nil {
			return nil, err
		}
	}
	if p.Certificates, err = c.certificates(log); err != nil {
		return nil, err
	}
	notices := notice.New(c.Sender, c.Journal, log)
	p.Factors, err = factor.New(factor.Config{
		People: p.Service, Passwords: p.Passwords, Ephemeral: c.Ephemeral, Vault: c.Vault, Passkeys: passkeys, Certificates: p.Certificates, Sender: c.Sender, Notices: notices,
		Journal: c.Journal, Log: log,
	})
	if err != nil {
		return nil, err
	}
	p.Authenticators, err = authenticator.New(authenticator.Config{
		People: p.Service, Factors: p.Factors, Notices: notices, Vault: c.Vault, Passkeys: passkeys, Certificates: p.Certificates, Journal: c.Journal,
	})
	if err != nil {
		return nil, err
	}
	if u := c.Upstreams; len(u.Providers) > 0 {
		u.URL, u.People, u.Authenticators, u.Notices, u.Ephemeral, u.Vault, u.Journal, u.Log = c.URL, p.Service, p.Authenticators, notices, c.Ephemeral, c.Vault, c.Journal, log
		if p.Upstreams, err = upstream.New(u); err != nil {
			return nil, err
		}
	}
	p.Tickets = password.NewTickets(password.TicketConfig{People: p.Service, Passwords: p.Passwords, Notices: notices, Journal: c.Journal})
	if c.Sender != nil {
		if err := p.byPhone(&c, notices, log); err != nil {
			return nil, err
		}
	}
	if c.Events != nil {
		if p.Trail, err = trail.New(trail.Config{Events: c.Events, Log: log}); err != nil {
			return nil, err
		}
	}
	if c.Acting != nil {
		if err := p.represent(&c, notices, log); err != nil {
			return nil, err
		}
	}
	return p, p.ofOrganizations(&c, notices)
}

// ofOrganizations adds what works with other systems' people, and who works for participants.
func (p *People) ofOrganizations(c *Config, notices *notice.Notices) (err error) {
	if c.Posts != nil {
		p.Officers, err = officer.New(officer.Config{Store: c.Posts, Participants: c.Participants, People: p.Service, Vault: c.Vault, Journal: c.Journal})
	}
	if err != nil || c.Sources == nil {
		return err
	}
	return p.takeIn(c, notices)
}

// certificates returns what checks them; nil without Authorities.
func (c *Config) certificates(log *slog.Logger) (*certificate.Service, error) {
	k := c.Certificates
	if len(k.Authorities) == 0 {
		return nil, nil
	}
	k.URL, k.Vault, k.Log = c.URL, c.Vault, log
	return certificate.New(k)
}

// represent adds the rules of who may act for whom.
func (p *People) represent(c *Config, notices *notice.Notices, log *slog.Logger) (err error) {
	p.Acting, err = acting.New(acting.Config{Store: c.Acting, People: p.Service, Registry: c.Registry, Vault: c.Vault, Journal: c.Journal, Notices: notices, Log: log})
	return err
}

// takeIn adds what works with other systems' people.
func (p *People) takeIn(c *Config, notices *notice.Notices) (err error) {
	p.Intake, err = intake.New(intake.Config{
		Sources: c.Sources, Links: c.Links, People: p.Service, Passwords: p.Passwords, Vault: c.Vault, Journal: c.Journal,
	})
	if err != nil {
		return err
	}
	p.Registrar, err = registrar.New(registrar.Config{Store: c.Changes, People: p.Service, Intake: p.Intake, Journal: c.Journal, Notices: notices})
	return err
}

// byPhone adds what begins with a code that is sent to a phone.
func (p *People) byPhone(c *Config, notices *notice.Notices, log *slog.Logger) (err error) {
	counters := tries.New(c.Ephemeral, c.Vault, log)
	p.Phones, err = phonecode.New(phonecode.Config{
		People: p.Service, Tries: counters, Codes: onetime.New(counters, c.Ephemeral, c.Vault, log), Vault: c.Vault, Sender: c.Sender,
		Journal: c.Journal, Log: log, PerDay: c.SMSPerDay, Prove: p.Factors.ProvePhone,
	})
	if err != nil {
		return err
	}
	p.Entry, err = entry.New(entry.Config{
		People: p.Service, Phones: p.Phones, Tickets: p.Tickets, Tries: counters, Notices: notices,
		Proofer: c.Proofer, Most: c.Proofs, Unproofed: c.Unproofed, Prove: p.Factors.ProvePhone, Changes: c.Changes, Journal: c.Journal, Log: log,
	})
	return err
}
